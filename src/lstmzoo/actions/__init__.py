"""Human action recognition: a video in, an action out."""
