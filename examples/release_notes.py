"""Release notes for a git repository: read, written, shortened until they fit, shown to a person, then saved.

    smithers up examples/release_notes.py --input '{"repo": "."}'

    commits ──> area-… (at the same time) ──> fit: draft, draft, … ──> publish? ──> write

The tree reads from top to bottom as the work happens. A function in it, such as `areas`, is a part that waits for
what it reads: its tasks are only known once the commits are. `release_git.py` reads the repository and writes the
file; `release_text.py` is text in, text out.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, Field
from release_git import Written, read_history, refuse_read_only, save
from release_text import LEVELS, Draft, History, Section, compose, describe

from smithers import Approval, Context, Loop, Parallel, Sequence, Task, TaskContext, Turn, call, workflow


class Release(BaseModel):
    """What the notes are about."""

    repo: str = "."
    """A folder inside the repository."""
    range: str | None = Field(default=None, pattern=r"^[^-\s]")
    """As git takes it, such as `v1.0..v1.1`. Default: since the last tag, or without tags the last 30 commits."""
    target: str | None = None
    """The file to write. Default: RELEASE_NOTES.md at the top of the repository."""
    max_chars: int = Field(default=4000, ge=200)
    """The text is shortened until it fits."""


def read_commits(repo: str, range: str | None, target: str | None, task: TaskContext) -> History:
    history = read_history(Path(repo).expanduser(), range, target)
    # Asking a person and then not being able to write would be rude, so it is tried first.
    refuse_read_only(Path(history.target))
    task.log.info("%d commits in %s, %d areas", len(history.commits), history.range, len(history.areas))
    return history


def write_section(commits: History, area: str) -> Section:
    return describe(area, [commit for commit in commits.commits if commit.area == area])


def write_draft(sections: list[Section], level: int, max_chars: int, commits: History) -> Draft:
    draft = compose(commits, sections, level, max_chars)
    print(f"level {level}: {len(draft.text)} characters, {max_chars} allowed")
    return draft


def publish(draft: Draft, commits: History, task: TaskContext) -> Written:
    return save(draft.text, Path(commits.target), task.idempotency_key)


@workflow(input=Release)
def release_notes(ctx: Context[Release]) -> Sequence:
    release = ctx.input

    def areas() -> Parallel:
        history = ctx.output(History, "commits")
        return Parallel(max_concurrency=4)[
            (
                Task(area.id, output=Section, deps={"commits": History}, label=area.name)[
                    call(write_section, area=area.name)
                ]
                for area in history.areas
            )
        ]

    def draft(turn: Turn) -> Task[Draft]:
        sections = [ctx.output(Section, area.id) for area in ctx.output(History, "commits").areas]
        return Task("draft", output=Draft, deps={"commits": History})[
            call(write_draft, sections, turn.iteration, release.max_chars)
        ]

    def fits() -> bool:
        written = ctx.latest(Draft, "draft")
        return written is not None and len(written.text) <= release.max_chars

    def ask() -> Approval:
        text = ctx.output(Draft, "draft").text
        target = ctx.output(History, "commits").target
        return Approval("publish", title=f"Write these release notes to {target}?", summary=text)

    return Sequence[
        Task("commits", output=History)[call(read_commits, release.repo, release.range, release.target)],
        areas,
        Loop("fit", until=fits, max_iterations=LEVELS, on_max_reached="fail")[draft],
        ask,
        Task("write", output=Written, deps={"draft": Draft, "commits": History})[publish],
    ]
