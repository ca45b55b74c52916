"""Tasks with a distance knob, one per file."""
