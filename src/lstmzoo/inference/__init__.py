"""Using a trained model: labels over time, annotated videos, and pictures of what its gates did."""
