"""Sequences of frames with the masks of their objects, and clips of them for training."""
