"""Links between documents lead somewhere: the file is there, and so is the heading."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Final
from urllib.parse import unquote

from scripts.checks.finding import Finding, Report
from scripts.checks.tree import Tree

LINK: Final = re.compile(r"!?\[[^\]\n]*\]\(\s*<?([^)\s>]+)>?[^)\n]*\)|^\[[^\]\n]+\]:\s+(\S+)", re.MULTILINE)
CODE: Final = re.compile(r"^(```|~~~).*?^\1|`[^`\n]*`", re.MULTILINE | re.DOTALL)
HEADING: Final = re.compile(r"^#{1,6}\s+(.+?)\s*#*$", re.MULTILINE)
FOREIGN: Final = re.compile(r"[a-z][a-z0-9+.-]*:|//", re.IGNORECASE)
"""Links that leave the repository. They are not asked for: a check must not need a network."""


def check(tree: Tree) -> Report:
    documents = {path: text for path, text in tree.texts() if path.endswith(".md")}
    findings: list[Finding] = []
    count = 0
    for path, text in documents.items():
        for line, target in links(text):
            count += 1
            complaint = broken(tree, documents, path, target)
            if complaint:
                findings.append(Finding(path, line, complaint))
    return Report(tuple(sorted(findings)), f"{count} links in {len(documents)} documents")


def links(text: str) -> Iterator[tuple[int, str]]:
    """Line and target of each link that stays in the repository."""
    prose = CODE.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text)
    for match in LINK.finditer(prose):
        target = match[1] or match[2]
        if not FOREIGN.match(target):
            yield prose.count("\n", 0, match.start()) + 1, target


def broken(tree: Tree, documents: dict[str, str], path: str, target: str) -> str:
    """What is wrong with a link; empty if nothing."""
    file, _, anchor = unquote(target).partition("#")
    place = resolved(tree.root, path, file) if file else path
    if place is None or not (tree.root / place).exists():
        return f"link to {target}: there is no {place or file}"
    if anchor and place in documents and anchor not in anchors(documents[place]):
        return f"link to {target}: {place} has no heading for #{anchor}"
    return ""


def resolved(root: Path, path: str, file: str) -> str | None:
    """The path in the repository that a link in `path` means; None if it leaves the repository."""
    base = root / (file.lstrip("/") if file.startswith("/") else PurePosixPath(path).parent / file)
    absolute = base.resolve()
    return str(absolute.relative_to(root.resolve())) if absolute.is_relative_to(root.resolve()) else None


def anchors(text: str) -> set[str]:
    """What headings are called in links, the way GitHub makes it: a repeated heading gets a number."""
    found: dict[str, int] = {}
    names: set[str] = set()
    prose = re.sub(r"^(```|~~~).*?^\1", "", text, flags=re.MULTILINE | re.DOTALL)
    for match in HEADING.finditer(prose):
        name = re.sub(r"[^\w\- ]", "", match[1].lower()).replace(" ", "-")
        seen = found.get(name, 0)
        found[name] = seen + 1
        names.add(f"{name}-{seen}" if seen else name)
    return names | set(re.findall(r'<a (?:id|name)="([^"]+)"', text))
