"""Breaks behaviours on purpose, one at a time, to see whether their tests notice. `scripts/mutate` runs it."""
