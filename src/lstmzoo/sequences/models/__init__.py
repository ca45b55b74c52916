"""Recurrent networks over sequences of vectors, and their baselines."""
