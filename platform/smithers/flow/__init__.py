"""What an author writes: elements, the context, policies. Pure: no clock, no I/O, no randomness."""
