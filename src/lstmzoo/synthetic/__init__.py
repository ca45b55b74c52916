"""Simulators: small data sets written as real files in the layout of the real set."""
