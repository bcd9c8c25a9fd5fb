"""The protocol as a small state machine, explored exhaustively for small sizes and at random for larger ones.

Not the real code: `docs/protocol.md` says which part stands for what, and what the exploration has found.
"""
