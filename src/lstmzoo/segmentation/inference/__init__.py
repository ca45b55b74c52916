"""Masks, films and tables of a trained segmentation model."""
