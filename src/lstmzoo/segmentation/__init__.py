"""Segmentation of objects in videos: frames in, masks out."""
