"""Checks of the repository itself, made of the standard library's `ast` and a few commands.

Each check is a function from a tree of files to findings, so that tests can show each one a tree it must refuse.
"""
