"""Documents that follow from the code: the error codes and the events."""

from __future__ import annotations

from pathlib import Path

from smithers.codes import LIST
from smithers.engine.catalogue import CATEGORIES, COMMON, FIELDS, TYPES

DOCS = Path(__file__).parent.parent / "docs"
NOTE = "<!-- Written by scripts/write_docs; change the code instead. -->"


def main() -> None:
    for name, text in documents().items():
        (DOCS / name).write_text(text, encoding="utf-8")


def documents() -> dict[str, str]:
    """The text of each document by its name."""
    return {"errors.md": errors(), "events.md": events()}


def errors() -> str:
    lines = [
        "# Error codes",
        "",
        NOTE,
        "",
        "An error is `{code, message, data}` wherever it crosses a border: in JSON on standard output, in the log, in",
        "a `Result`, in an event. The message is about the case at hand; this says what holds for all. `smithers",
        'explain CODE` prints one. A task may raise codes of its own: `NonRetryable("...", code="CARD_DECLINED")`.',
    ]
    for area in dict.fromkeys(one.area for one in LIST):
        lines += ["", f"## {area.capitalize()}", "", "| Code | Meaning | What to do | `data` |", "|---|---|---|---|"]
        mine = [one for one in LIST if one.area == area]
        lines += [
            f"| `{one.name}` | {one.meaning} | {one.advice} | {' '.join(f'`{name}`' for name in one.data)} |"
            for one in mine
        ]
    return "\n".join(lines) + "\n"


def events() -> str:
    lines = [
        "# Events",
        "",
        NOTE,
        "",
        "What `smithers events` shows, and what `run(..., on_event=...)` is given. Events follow from a run's log",
        "alone: whoever reads it has the same ones. `smithers events --schema` prints their schema. Every event has",
        f"{', '.join(f'`{name}`' for name in COMMON)}; fields with `?` may be missing.",
    ]
    for category in CATEGORIES:
        lines += ["", f"## `{category}`", "", "| Event | When | Fields |", "|---|---|---|"]
        mine = [one for one in TYPES if one.category == category]
        lines += [f"| `{one.name}` | {one.meaning} | {' '.join(f'`{name}`' for name in one.fields)} |" for one in mine]
    lines += ["", "## Fields", "", "| Field | Type | What it says |", "|---|---|---|"]
    lines += [f"| `{name}` | {type} | {meaning} |" for name, (type, meaning) in FIELDS.items()]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
