"""The request to run a node again, with the input as it is or with another one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from smithers.engine.entry import EndedRun, Entry, Fact, Json, Kind, LogEnds, Need, node_key
from smithers.engine.frame import NodeRow
from smithers.engine.rerun import Reset, reset_of
from smithers.engine.state import CONTINUED
from smithers.errors import WrongState
from smithers.store.interface import Store
from smithers.store.records import Append, Run
from smithers.views.ended import has_ended

if TYPE_CHECKING:
    from smithers.flow.workflow import AnyWorkflow

MOST_TRIES: Final = 20
"""Times that others may write between what was read and what is stored."""


class Draft:
    """A log, and the facts that are to follow it in one transaction, if nothing comes between."""

    def __init__(self, entries: list[Entry]) -> None:
        self.entries = entries
        self.facts: list[Fact] = []

    def add(self, kind: Kind, key: str, data: Json, needs: Need | None = None) -> None:
        end = len(self.entries)
        self.facts.append(Fact(kind, key, data, needs or LogEnds(end)))
        self.entries.append(Entry(end + 1, kind, key, data, self.entries[-1].at_ms))


def refuse_continued(store: Store, run: Run, row: NodeRow) -> None:
    if run.status == CONTINUED:
        raise has_ended(store, run, f"Nothing of run {run.run_id} runs again", f"retry-task RUN {row.node}")


def retry(
    store: Store, run: Run, row: NodeRow, by: str, *, dependents: bool = True, input: Json | None = None
) -> Reset:
    """Stores that a node is to run again, and opens a failed run for it. With `input` the run has that from then on.

    Raises `WrongState` with the state found for what cannot run again, see `engine/rerun.py`; and as `amend` does.
    """
    from smithers.worker.prepare import own_workflow

    refuse_continued(store, run, row)
    workflow = None if input is None else own_workflow(store, run)
    for _ in range(MOST_TRIES):
        draft = Draft(store.entries(run.run_id))
        run = store.run(run.run_id)
        refuse_continued(store, run, row)
        if run.status == "failed":
            draft.add("resumed", f"resumed:{run.epoch + 1}", {"by": by}, EndedRun(("failed",)))
        reset = add_reset(store, run, draft, node_key(row.node, row.iteration), by, dependents=dependents)
        if workflow is not None:
            add_input(workflow, run, draft, input or {}, by)
        if store.append(Append(run.run_id, tuple(draft.facts))).outcomes[-1] == "stored":
            return reset
    raise WrongState(
        f"Run {run.run_id} goes on faster than it can be looked at. Pause it first: smithers pause {run.run_id}",
        run=run.run_id,
    )


def add_reset(store: Store, run: Run, draft: Draft, key: str, by: str, *, dependents: bool) -> Reset:
    reset = reset_of(run.run_id, draft.entries, key, dependents=dependents)
    nth = len(store.entries_by_key(run.run_id, f"retried:{key}:")) + 1
    draft.add("retried", f"retried:{key}:{nth}", {**reset.data, "by": by})
    return reset


def add_input(workflow: AnyWorkflow, run: Run, draft: Draft, given: Json, by: str) -> None:
    from smithers.engine.check import check_input
    from smithers.engine.diff import plan_diff

    checked = check_input(workflow, given)
    plan_diff(workflow, run.run_id, draft.entries, checked)  # that it renders
    nth = sum(entry.kind == "amended" for entry in draft.entries) + 1
    draft.add("amended", f"amended:{nth}", {"input": checked, "by": by, "note": None})
