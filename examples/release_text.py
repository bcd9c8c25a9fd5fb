"""From git's log to release notes: text in, text out, nothing else."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from pydantic import BaseModel

LEVELS = 5
"""How far notes can be shortened: everything; no names; at most five commits an area; two; numbers only."""
MOST_PER_AREA = {2: 5, 3: 2, 4: 0}
MOST_AREAS = 8
OTHER = "other"
RECORD, FIELD = "\x1e", "\x1f"
LOG_FORMAT = "%x1e%h%x1f%an%x1f%aI%x1f%s"
"""For `git log --format`; `--numstat` adds lines of added, removed and path, with tabs between."""


class Area(BaseModel):
    name: str
    id: str
    """Of its task."""


class Commit(BaseModel):
    sha: str
    author: str
    date: str
    subject: str
    area: str
    files: int
    added: int
    removed: int


class History(BaseModel):
    repo: str
    """Top folder of the repository."""
    range: str
    """What was read, for people."""
    target: str
    """The file that will be written."""
    commits: list[Commit]
    areas: list[Area]


class Line(BaseModel):
    text: str
    credit: str
    """Who and which commit."""


class Section(BaseModel):
    area: str
    lines: list[Line]
    commits: int
    added: int
    removed: int


class Draft(BaseModel):
    text: str
    level: int


def parse_log(log: str) -> list[Commit]:
    """Commits from `git log --numstat` in `LOG_FORMAT`."""
    return [parse_commit(record) for record in log.split(RECORD)[1:]]


def parse_commit(record: str) -> Commit:
    head, *rest = record.strip("\n").split("\n")
    sha, author, date, subject = head.split(FIELD)
    changes = [line.split("\t", 2) for line in rest if line.count("\t") >= 2]
    added, removed = (sum(int(change[side]) for change in changes if change[side].isdigit()) for side in (0, 1))
    area = area_of((path, counted(plus) + counted(minus)) for plus, minus, path in changes)
    return Commit(
        sha=sha, author=author, date=date, subject=subject, area=area, files=len(changes), added=added, removed=removed
    )


def counted(number: str) -> int:
    """Changed lines, and one for the file itself: binary files have `-` for a number."""
    return int(number) if number.isdigit() else 1


def area_of(changes: Iterable[tuple[str, int]]) -> str:
    """The top folder in which a commit changed most; `top level` for files in none."""
    weights: Counter[str] = Counter()
    for path, weight in changes:
        folder, slash, _ = path.strip('"').partition("/")
        weights[folder if slash else "top level"] += weight + 1
    return max(sorted(weights), key=lambda area: weights[area]) if weights else OTHER


def grouped(commits: Sequence[Commit]) -> tuple[list[Commit], list[Area]]:
    """Areas with the most commits first; those beyond the most frequent ones become one."""
    counts = Counter(commit.area for commit in commits)
    ranked = sorted(counts, key=lambda area: (-counts[area], area))
    kept = ranked if len(ranked) <= MOST_AREAS else [area for area in ranked if area != OTHER][: MOST_AREAS - 1]
    moved = [c if c.area in kept else c.model_copy(update={"area": OTHER}) for c in commits]
    names = kept if len(kept) == len(ranked) else [*kept, OTHER]
    return moved, [Area(name=name, id=f"area-{place}-{slug(name)}") for place, name in enumerate(names, 1)]


def slug(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", name)[:60].strip("-") or "area"


def describe(area: str, commits: Sequence[Commit]) -> Section:
    """One line per subject, oldest first; a subject that comes again counts once."""
    lines: dict[str, Line] = {}
    for commit in reversed(commits):
        text = sentence(commit.subject)
        lines.setdefault(text.casefold(), Line(text=text, credit=f"{commit.author}, {commit.sha}"))
    return Section(
        area=area,
        lines=list(lines.values()),
        commits=len(commits),
        added=sum(commit.added for commit in commits),
        removed=sum(commit.removed for commit in commits),
    )


def sentence(subject: str) -> str:
    """A subject without its `feat(scope):`, with a capital letter and without a full stop."""
    text = re.sub(r"^[a-z]+(\([^)]*\))?!?:\s+", "", subject.strip()).rstrip(".")
    return text[:1].upper() + text[1:] if text else subject.strip() or "(no subject)"


def compose(history: History, sections: Sequence[Section], level: int, max_chars: int) -> Draft:
    """The notes at a level of detail, 0 to `LEVELS` - 1. The last level is cut to `max_chars`."""
    total = len(history.commits)
    head = f"# Release notes\n\n{history.range}: {plural(total, 'commit')} in {plural(len(sections), 'area')}.\n"
    text = "\n".join([head, *(shown(section, level) for section in sections)])
    return Draft(text=cut(text, max_chars) if level >= LEVELS - 1 else text, level=level)


def shown(section: Section, level: int) -> str:
    most = MOST_PER_AREA.get(level, len(section.lines))
    kept, left = section.lines[:most], len(section.lines[most:])
    title = f"## {section.area} ({plural(section.commits, 'commit')}, +{section.added} -{section.removed})"
    lines = [f"- {line.text}" + (f" ({line.credit})" if level == 0 else "") for line in kept]
    more = [f"- and {left} more"] if left and kept else []
    return "\n".join([title, *([""] if lines else []), *lines, *more, ""])


def cut(text: str, max_chars: int) -> str:
    """Whole lines that fit, and a mark where some are missing."""
    if len(text) <= max_chars:
        return text
    mark = "…\n"
    return (
        text[: max_chars - len(mark)].rpartition("\n")[0] + "\n" + mark if max_chars > len(mark) else mark[:max_chars]
    )


def plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
