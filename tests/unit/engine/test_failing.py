"""A group that fails goes on failing, whatever its parts show later; see docs/decisions/0027."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from pydantic import BaseModel

from smithers import Approval, AutoApprove, Child, Context, Parallel, Race, Sequence, Signal, Task, Workflow
from smithers.engine.plan import Planner
from smithers.engine.snapshot import pack, unpack
from smithers.testing import InMemoryRun

pytestmark = pytest.mark.decision("0027")

REBUILD = pytest.mark.parametrize("rebuild", [False, True], ids=["warm", "cold"])


class Out(BaseModel):
    n: int = 0


def work() -> Out:
    return Out()


def task(id: str, **props: Any) -> Task[Out]:
    return Task(id, output=Out, **props)[work]


def begun(tree: Any, rebuild: bool) -> InMemoryRun:
    return InMemoryRun(Workflow("w", tree, None), rebuild=rebuild)


def finish(run: InMemoryRun, node: str) -> None:
    run.finish(number(run, node), Out())


def number(run: InMemoryRun, node: str) -> int:
    return next(command.n for command in run.work if command.node == node)


def replaced(ctx: Context[Any]) -> Child:
    """Shows another task once `first` is done."""
    return lambda: task("new") if ctx.output_maybe(Out, "first") else task("old", retries=0)


def dropping(ctx: Context[Any]) -> Child:
    return Parallel[task("first"), replaced(ctx), Sequence[task("slow"), task("after")]]


@pytest.mark.feature("parallel.complete")
@REBUILD
def test_a_group_fails_though_the_task_that_has_failed_has_left_the_tree(rebuild: bool) -> None:
    run = begun(dropping, rebuild)
    run.fail(number(run, "old"))
    finish(run, "first")
    finish(run, "slow")

    assert (run.status, run.nodes["after:"].state, "new:" in run.nodes) == ("failed", "cancelled", False)
    assert run.error is not None
    assert (run.error["code"], run.error["node"]) == ("TASK_FAILED", "old")


@REBUILD
def test_a_runner_that_has_failed_does_not_run_again_in_the_race(rebuild: bool) -> None:
    def tree(ctx: Context[Any]) -> Child:
        return Parallel[task("first"), Race(id="race")[replaced(ctx), task("slow")]]

    run = begun(tree, rebuild)
    run.fail(number(run, "old"))
    finish(run, "first")

    assert [command.node for command in run.work] == ["slow"]
    finish(run, "slow")
    assert run.status == "finished"


@pytest.mark.feature("resume.steps.render")
@REBUILD
def test_a_resumed_run_shows_what_its_parts_show_now(rebuild: bool) -> None:
    run = begun(dropping, rebuild)
    run.fail(number(run, "old"))
    finish(run, "first")
    finish(run, "slow")
    run.resume()

    assert [command.node for command in run.work] == ["new", "after"]
    finish(run, "new")
    finish(run, "after")
    assert run.status == "finished"


def test_a_log_whose_frames_do_not_say_which_groups_fail_goes_on() -> None:
    run = begun(dropping, rebuild=False)
    run.fail(number(run, "old"))
    earlier = [
        replace(entry, data={name: value for name, value in entry.data.items() if name != "failing"})
        for entry in run.log
    ]
    finish(run, "slow")
    ended = run.log[len(earlier)]

    plan = Planner.build(run.workflow, run.run_id, [*earlier, ended]).plan()

    assert plan is not None
    assert plan.frame["nodes"] == {"slow:": "finished"}
    assert set(plan.frame["failing"]) == {"0"}


def test_a_snapshot_holds_which_groups_fail() -> None:
    run = begun(dropping, rebuild=False)
    run.fail(number(run, "old"))
    state = run.planner.state

    assert set(state.failing) == {"0"}
    assert unpack(pack(state)).failing == state.failing


@REBUILD
def test_a_condition_renders_nothing_again(rebuild: bool) -> None:
    rendered: list[int] = []

    def tree(ctx: Context[Any]) -> Child:
        rendered.append(1)
        ready = AutoApprove(condition=lambda ctx: ctx.output_maybe(Out, "first") is not None)
        return Parallel[task("first"), Approval("ship", auto_approve=ready)]

    run = begun(tree, rebuild)
    before = len(rendered)
    finish(run, "first")

    assert run.status == "finished"
    assert rebuild or len(rendered) == before


@REBUILD
def test_a_signal_whose_payload_never_comes_is_named_with_its_own_line(rebuild: bool) -> None:
    def tree(ctx: Context[Any]) -> Child:
        return Signal("go", output=Out, async_=True, skip_if=False)[lambda payload: task("after")]

    run = begun(tree, rebuild)
    assert [part.suspended.where for part in run.planner.tree.readers["go"] if part.suspended] == [
        (__file__, tree.__code__.co_firstlineno + 1)
    ]
