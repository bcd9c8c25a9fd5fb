"""The protocol as a small state machine, explored exhaustively for small sizes and at random for larger ones."""
