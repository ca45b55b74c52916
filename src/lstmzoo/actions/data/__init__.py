"""Labelled videos: KTH, folders and lists of videos."""
