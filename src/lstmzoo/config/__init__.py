"""Configurations: composed by Hydra from ``configs/``, from what registers itself, and from the command line."""
