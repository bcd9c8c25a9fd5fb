"""Whether a run's code renders."""

from __future__ import annotations

from smithers.engine.entry import Entry
from smithers.store.interface import Store
from smithers.store.records import Run


def render_failure(store: Store, run: Run) -> Entry | None:
    """The last time that the code did not render; None where a frame has followed. Until then nothing goes on, whatever
    the run's status is: it may be paused as well."""
    failed = [entry for entry in store.entries_by_key(run.run_id, "render_failed:") if entry.seq > run.planned]
    return failed[-1] if failed else None
