"""Another input for a run that is there: checked by the run's own code, shown as a plan, stored as a fact."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from smithers.engine.entry import Entry, Fact, Json, LogEnds
from smithers.engine.state import FINAL
from smithers.errors import WrongState
from smithers.store.interface import Store
from smithers.store.records import Append, Run
from smithers.views.ended import has_ended

if TYPE_CHECKING:
    from smithers.engine.diff import PlanDiff
    from smithers.flow.workflow import AnyWorkflow

MOST_TRIES: Final = 10
"""Times that others may write between what was planned and what is stored."""


@dataclass(frozen=True, slots=True)
class Amendment:
    input: Json
    """As its model has it."""
    diff: PlanDiff
    """What it changes in the run."""


def amend(
    store: Store, run: Run, given: Json, said: tuple[str, str | None], *, file: str = "", stores: bool = True
) -> Amendment:
    """Stores another input for a run; with `stores=False` only says what it would change. `said` is by whom and why.

    Raises `WrongState` for a run that is over and for one whose file has changed, `InvalidInput` for what the
    workflow's input model refuses, and `RenderError` where the workflow does not render with it.
    """
    from smithers.worker.prepare import own_workflow

    refuse_closed(store, run)
    workflow = own_workflow(store, run, file)
    for _ in range(MOST_TRIES):
        entries = store.entries(run.run_id)
        amendment = amendment_of(workflow, run, entries, given)
        if not stores or is_stored(store, run, entries, amendment, said):
            return amendment
        refuse_closed(store, store.run(run.run_id))
    raise WrongState(
        f"Run {run.run_id} goes on faster than it can be planned. Pause it first: smithers pause {run.run_id}",
        run=run.run_id,
    )


def amendment_of(workflow: AnyWorkflow, run: Run, entries: list[Entry], given: Json) -> Amendment:
    from smithers.engine.check import check_input
    from smithers.engine.diff import plan_diff

    checked = check_input(workflow, given)
    return Amendment(checked, plan_diff(workflow, run.run_id, entries, checked))


def is_stored(store: Store, run: Run, entries: list[Entry], amendment: Amendment, said: tuple[str, str | None]) -> bool:
    nth = sum(entry.kind == "amended" for entry in entries) + 1
    data: Json = {"input": amendment.input, "by": said[0], "note": said[1]}
    fact = Fact("amended", f"amended:{nth}", data, LogEnds(entries[-1].seq))
    return store.append(Append(run.run_id, (fact,))).outcomes == ("stored",)


def refuse_closed(store: Store, run: Run) -> None:
    if run.status in FINAL:
        raise has_ended(store, run, f"The input of run {run.run_id} cannot be amended", "amend RUN --input ...")


def input_of(store: Store, run: Run) -> Json:
    """The input that the run has now; `run.input` is what it was started with."""
    amended = store.entries_by_key(run.run_id, "amended:")
    return amended[-1].data["input"] if amended else run.input
