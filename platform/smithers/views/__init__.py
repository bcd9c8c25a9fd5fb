"""What is said of a run, and what people ask of it, from the store alone: shared by commands and programs."""
