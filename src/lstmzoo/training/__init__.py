"""Training with Lightning: what all tasks share. Importing this package loads no Lightning; the modules in it do."""
