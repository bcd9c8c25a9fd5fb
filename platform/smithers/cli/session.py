"""What every command on existing runs begins with: the nearest project, its store, and the two streams."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

from smithers.cli.output import Form, Out
from smithers.cli.views.runs import find_run
from smithers.project import Project, find_project
from smithers.store import open_store
from smithers.store.interface import Store
from smithers.store.records import Run


@dataclass(frozen=True, slots=True)
class Session:
    project: Project
    store: Store
    out: Out

    def run(self, wanted: str | None) -> Run:
        """By id, by a unique beginning of one, or the newest. Raises `RunNotFound`, `InputError`."""
        return find_run(self.store, wanted)


@contextmanager
def session(form: Form) -> Generator[Session]:
    """Never creates anything. Raises `StoreMissing` where nothing has ever run."""
    project = find_project()
    store = open_store(project, create=False)
    try:
        yield Session(project, store, Out(form))
    finally:
        store.close()
