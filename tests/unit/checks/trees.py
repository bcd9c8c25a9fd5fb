"""Small repositories for the checks to look at."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

from scripts.checks.tree import Tree, from_folder


def plant(root: Path, files: dict[str, str]) -> Tree:
    """Writes files below a folder and returns them as a tree."""
    for path, text in files.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(dedent(text), "utf-8")
    return from_folder(root)
