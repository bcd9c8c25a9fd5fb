"""Runs: how one is found, and what is said of it."""

from __future__ import annotations

from typing import Final

from smithers.cli.argv import LATEST
from smithers.engine.entry import Json
from smithers.engine.state import NORMAL
from smithers.errors import InputError, RunNotFound
from smithers.store.interface import Store
from smithers.store.records import Run, Search
from smithers.views.times import iso

MOST_NAMED: Final = 1000
"""Of the runs that begin alike."""


def run_wire(run: Run) -> Json:
    return {
        "runId": run.run_id,
        "workflow": run.workflow,
        "status": run.status,
        "tags": run.tags,
        "parentRunId": run.parent["run"] if run.parent else None,
        "continues": (run.continues or {}).get("run"),
        "generation": (run.continues or {}).get("generation", 0),
        "createdAt": iso(run.created_ms),
        "updatedAt": iso(run.updated_ms),
        "error": run.error,
    }


def run_details(run: Run) -> Json:
    return run_wire(run) | {
        "source": run.source,
        "digest": run.digest,
        "epoch": run.epoch,
        "head": run.head,
        "planned": run.planned,
        "input": run.input,
        "options": run.options,
        "priority": run.options.get("priority", NORMAL),
        "parent": run.parent,
    }


def above(store: Store, run: Run) -> Run:
    """The run that somebody has started; those of its subflows come with it."""
    while run.parent is not None:
        run = store.run(run.parent["run"])
    return run


def find_run(store: Store, wanted: str | None) -> Run:
    """The run with this id, or the only one whose id begins so; without an id the newest that
    is no subflow's.

    Raises `RunNotFound`, which names the nearest ids, and `InputError` if several begin so.
    """
    if wanted is None or wanted == LATEST:
        newest = store.runs(limit=1)
        if not newest:
            raise RunNotFound("There are no runs here yet. `smithers up FILE` starts one.")
        return above(store, newest[0])
    try:
        return store.run(wanted)
    except RunNotFound:
        matches = store.search(Search(prefix=wanted, limit=MOST_NAMED)) if wanted else []
        if not matches:
            raise
    if len(matches) > 1:
        ids = ", ".join(run.run_id for run in matches[:8]) + (", ..." if len(matches) > 8 else "")
        raise InputError(
            f"{len(matches)} runs begin with {wanted!r}: {ids}. Give more letters.",
            code="RUN_AMBIGUOUS",
            runs=[run.run_id for run in matches],
        )
    return matches[0]
