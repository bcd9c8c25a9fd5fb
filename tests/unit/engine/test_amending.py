"""Other input for a run that is there: what has run stays, and the rest follows the new input."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

from smithers import Approval, Child, Context, Parallel, Sequence, Task, Workflow, call
from smithers.engine.diff import plan_diff
from smithers.errors import InvalidInput, WrongState
from smithers.testing import InMemoryRun

pytestmark = pytest.mark.decision("0016")


class Order(BaseModel):
    items: list[str]
    quick: bool = False


class Out(BaseModel):
    name: str = ""


def work(name: str) -> Out:
    return Out(name=name)


def task(name: str) -> Task[Out]:
    return Task(name, output=Out)[call(work, name)]


def orders(ctx: Context[Order]) -> Child:
    items = [task(name) for name in ctx.input.items]
    return Sequence[Parallel[items], None if ctx.input.quick else Approval("ask", title="?"), task("last")]


def start(rebuild: bool, *items: str) -> InMemoryRun:
    return InMemoryRun(Workflow("orders", orders, Order), {"items": list(items)}, rebuild=rebuild)


def at_work(run: InMemoryRun) -> dict[str, int]:
    return {command.node: command.n for command in run.work}


def amend(run: InMemoryRun, *items: str, **more: Any) -> None:
    run.amend({"items": list(items), **more})


@pytest.mark.feature("author.dynamic")
def test_what_has_run_stays_and_what_is_new_starts(rebuild: bool) -> None:
    run = start(rebuild, "a", "b")
    for n in at_work(run).values():
        run.finish(n, Out(name="old"))
    amend(run, "a", "b", "c")
    assert (list(at_work(run)), run.output(Out, "a").name) == (["c"], "old")
    run.finish(at_work(run)["c"], Out())
    assert [row.node for row in run.waiting] == ["ask"]


def test_what_runs_and_is_not_wanted_any_more_is_cancelled(rebuild: bool) -> None:
    run = start(rebuild, "a", "b")
    amend(run, "a")
    assert run.nodes["b:"].state == "cancelling"
    run.cancelled(at_work(run)["b"])
    run.finish(at_work(run)["a"], Out())
    assert [row.node for row in run.waiting] == ["ask"]


def test_a_question_that_is_not_asked_any_more_is_withdrawn(rebuild: bool) -> None:
    run = start(rebuild, "a")
    run.finish(at_work(run)["a"], Out())
    assert run.status == "waiting-approval"
    amend(run, "a", quick=True)
    assert (run.waiting, list(at_work(run))) == ([], ["last"])


def test_what_does_not_fit_is_refused_and_changes_nothing(rebuild: bool) -> None:
    run = start(rebuild, "a")
    log = list(run.log)
    with pytest.raises(InvalidInput, match="items"):
        run.amend({"items": 3})
    assert run.log == log


def test_a_run_that_is_over_is_refused(rebuild: bool) -> None:
    run = start(rebuild, "a")
    run.cancel()
    run.cancelled(at_work(run)["a"])
    with pytest.raises(WrongState, match="cancelled"):
        amend(run, "b")


def test_in_a_pause_it_is_kept(rebuild: bool) -> None:
    run = start(rebuild, "a")
    run.pause()
    amend(run, "a", "b")
    assert list(at_work(run)) == ["a"]
    run.unpause()
    assert list(at_work(run)) == ["a", "b"]


def test_the_difference_is_known_before_anything_is_stored() -> None:
    run = start(False, "a", "b")
    diff = plan_diff(run.workflow, run.run_id, run.log, {"items": ["a", "c"], "quick": False})
    assert (diff.added, diff.removed, diff.starts) == (("c:",), ("b:",), ("c:",))


def test_the_difference_counts_a_pause_as_ended() -> None:
    run = start(False, "a")
    run.pause()
    diff = plan_diff(run.workflow, run.run_id, run.log, {"items": ["a", "c"], "quick": False})
    assert diff.starts == ("c:",)
