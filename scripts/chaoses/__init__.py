"""Harm at full size: the modules of `tests/chaos` with larger numbers, and what they have measured."""
