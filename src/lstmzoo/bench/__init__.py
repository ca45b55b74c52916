"""Benchmarks: ratios measured inside one run, medians over interleaved repetitions."""
