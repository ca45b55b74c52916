"""Models that classify the action in a video."""
