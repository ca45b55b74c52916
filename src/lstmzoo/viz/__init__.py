"""Figures: curves, tables, gates over time, labels drawn into videos."""
