"""A class for every pixel of a video: what the protocol ``semantic`` learns, measures and shows."""
