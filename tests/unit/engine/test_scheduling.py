"""When a node begins, in which states it is seen, and what becomes of a run whose tasks fail."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import BaseModel

from smithers import Approval, Child, Context, MergeQueue, Parallel, RetryPolicy, Sequence, Task, Timer, Workflow
from smithers.engine.chronicle import events_of
from smithers.engine.preview import snapshot
from smithers.testing import InMemoryRun, fails
from tests.unit.engine.by_hand import at_work, fail, number, start

pytestmark = pytest.mark.decision("0004")


class Out(BaseModel):
    n: int = 0


def work() -> Out:
    return Out()


def task(id: str, **props: Any) -> Task[Out]:
    return Task(id, output=Out, **props)[work]


def finish(run: InMemoryRun, node: str) -> None:
    run.finish(number(run, node), Out())


@pytest.mark.feature("sched.loop", "sched.trigger", "sched.detect")
def test_the_tree_is_looked_at_again_after_every_task_until_all_is_done(rebuild: bool) -> None:
    """Each completion makes a frame, also while others are in flight; one that adds nothing starts nothing."""

    def make(ctx: Context[Any]) -> Child:
        def once() -> Child:
            return task("early") if ctx.output_maybe(Out, "a") else None

        return Sequence[Parallel[task("a"), task("b"), once], task("last")]

    run = start(make, rebuild)
    assert at_work(run) == ["a", "b"]
    finish(run, "a")
    assert at_work(run) == ["b", "early"]
    finish(run, "b")
    assert (at_work(run), run.plans[-1].commands) == (["early"], ())
    finish(run, "early")
    assert (at_work(run), run.status) == (["last"], "running")
    finish(run, "last")
    assert (at_work(run), run.status, len(run.plans)) == ([], "finished", 5)


@pytest.mark.feature("sched.ready.deps", "sched.ready.approval", "sched.ready.slot", "plan.ready", "sched.limit.group")
@pytest.mark.feature("sched.par")
def test_a_task_begins_when_all_it_waits_for_is_there(rebuild: bool) -> None:
    tree = Parallel(max_concurrency=2)[
        Sequence[task("a"), task("b")],
        task("c", depends_on=["b"]),
        Task("d", output=Out, deps={"c": Out}, needs_approval=True)[lambda c: c],
        task("e"),
        task("f"),
    ]
    run = InMemoryRun(Workflow("w", lambda ctx: tree, None), {}, {"max_in_flight": 2}, rebuild)

    assert at_work(run) == ["a", "e"]
    finish(run, "e")
    assert at_work(run) == ["a", "f"]
    finish(run, "f")
    finish(run, "a")
    assert at_work(run) == ["b"]
    finish(run, "b")
    assert at_work(run) == ["c"]
    finish(run, "c")
    assert (at_work(run), run.nodes["d:"].state) == ([], "waiting-approval")
    run.decide("d")
    assert at_work(run) == ["d"]


@pytest.mark.feature("sched.limit.group", "sched.ready.slot")
@pytest.mark.parametrize(("group", "whole", "begun"), [(2, 3, 2), (4, 3, 3), (None, 3, 3)])
def test_both_the_cap_of_the_group_and_that_of_the_run_must_let_a_task_in(
    group: int | None, whole: int, begun: int
) -> None:
    tree = Parallel(max_concurrency=group)[(task(f"t{n}") for n in range(6))]

    run = InMemoryRun(Workflow("w", lambda ctx: tree, None), {}, {"max_in_flight": whole})

    assert len(run.work) == begun


@pytest.mark.feature("sched.noprio")
def test_of_those_that_are_ready_the_first_in_the_tree_begins(rebuild: bool) -> None:
    tree = Parallel(max_concurrency=1)[task("z"), Sequence[task("y"), task("x")], task("a")]
    run = start(tree, rebuild)
    order: list[str] = []
    while run.work:
        order += at_work(run)
        finish(run, order[-1])

    assert order == ["z", "y", "x", "a"]


@pytest.mark.feature("sched.mergequeue")
def test_a_merge_queue_caps_as_a_parallel_group_does() -> None:
    assert at_work(start(MergeQueue(max_concurrency=2)[task("a"), task("b"), task("c")])) == ["a", "b"]
    assert at_work(start(MergeQueue[task("a"), task("b")])) == ["a"]


def cancelled(run: InMemoryRun) -> None:
    n = number(run, "it")
    run.cancel()
    run.cancelled(n)


STATES: list[Any] = [
    pytest.param(Sequence[task("a"), task("it")], None, "pending", marks=pytest.mark.feature("sched.state.pending")),
    pytest.param(task("it"), None, "running", marks=pytest.mark.feature("sched.state.inprogress")),
    pytest.param(
        Sequence[task("it"), task("a")],
        lambda run: finish(run, "it"),
        "finished",
        marks=pytest.mark.feature("sched.state.finished"),
    ),
    pytest.param(task("it"), lambda run: fail(run, "it"), "failed", marks=pytest.mark.feature("sched.state.failed")),
    pytest.param(Approval("it"), None, "waiting-approval", marks=pytest.mark.feature("sched.state.waitapproval")),
    pytest.param(Timer("it", duration="1h"), None, "waiting-timer", marks=pytest.mark.feature("sched.state.waittimer")),
    pytest.param(task("it"), cancelled, "cancelled", marks=pytest.mark.feature("sched.state.cancelled")),
    pytest.param(
        Sequence[task("it", skip_if=True), task("a")],
        None,
        "skipped",
        marks=pytest.mark.feature("sched.state.skipped", "sched.skip"),
    ),
]


@pytest.mark.parametrize(("tree", "act", "state"), STATES)
def test_a_node_is_seen_in_one_of_these_states(
    rebuild: bool, tree: Any, act: Callable[[InMemoryRun], None] | None, state: str
) -> None:
    run = start(tree, rebuild)
    if act is not None:
        act(run)

    assert run.nodes["it:"].state == state


@pytest.mark.feature("exec.skip.sticky")
def test_a_task_that_was_skipped_stays_skipped(rebuild: bool) -> None:
    def make(ctx: Context[Any]) -> Child:
        return Parallel[task("a"), lambda: task("b", skip_if=ctx.output_maybe(Out, "a") is None), task("c")]

    run = start(make, rebuild)
    finish(run, "a")

    assert (run.nodes["b:"].state, at_work(run)) == ("skipped", ["c"])


@pytest.mark.feature("props.task.retrypolicy")
def test_only_what_is_short_and_due_at_once_may_begin_in_the_step_that_plans_it() -> None:
    run = start(Parallel[task("short", retries=1, retry=RetryPolicy("fixed", "2s")), task("long", timeout="2h")])
    assert {command.node: command.burst for command in run.work} == {"short": True, "long": False}

    run.fail(number(run, "short"), "it broke", retryable=True)

    (again,) = (command for command in run.work if command.node == "short")
    assert (again.attempt, again.delay_ms >= 2000, again.burst) == (2, True, False)


@pytest.mark.feature("sched.stop", "exec.stop", "exec.retry.failed", "exec.retry.zero")
def test_a_run_fails_with_its_first_task_that_is_out_of_retries_and_nothing_new_begins(rebuild: bool) -> None:
    run = start(Sequence[Parallel[task("bad", retries=1), task("long")], task("never")], rebuild)

    run.fail(number(run, "bad"))
    assert (run.nodes["bad:"].state, run.status) == ("running", "running")
    run.fail(number(run, "bad"))
    assert (run.nodes["bad:"].state, run.status) == ("failed", "running")
    finish(run, "long")
    assert (run.status, run.nodes["never:"].state) == ("failed", "pending")
    once = start(task("bad", retries=0), rebuild)
    once.fail(number(once, "bad"))
    assert once.status == "failed"


@pytest.mark.feature("exec.continue")
def test_a_tolerated_failure_stays_failed_without_an_output_and_the_rest_goes_on(run: Any) -> None:
    ended = run(Sequence[task("bad", retries=0, continue_on_fail=True), task("after")], results={"bad": fails()})

    assert (ended.status, ended.started, ended.state("bad")) == ("finished", ["bad", "after"], "failed")
    with pytest.raises(KeyError):
        ended.output(Out, "bad")


DELAYS: list[Any] = [
    pytest.param(RetryPolicy("fixed", "2s"), [2000] * 4, marks=pytest.mark.feature("exec.retry.fixed")),
    pytest.param(RetryPolicy("linear", "2s"), [2000, 4000, 6000, 8000], marks=pytest.mark.feature("exec.retry.linear")),
    pytest.param(
        RetryPolicy("exponential", "2s"),
        [2000, 4000, 8000, 16000],
        marks=pytest.mark.feature("exec.retry.exponential"),
    ),
    pytest.param(
        RetryPolicy("exponential", "2m"),
        [120_000, 240_000, 300_000, 300_000],
        marks=pytest.mark.feature("exec.retry.cap"),
    ),
    pytest.param(RetryPolicy("fixed", "0s"), [0] * 4, marks=pytest.mark.feature("exec.retry.immediate")),
]


@pytest.mark.parametrize(("policy", "least"), DELAYS)
def test_the_next_attempt_waits_as_the_policy_says(policy: RetryPolicy, least: list[int]) -> None:
    run = start(task("a", retries=4, retry=policy))
    delays: list[int] = []
    for _ in range(4):
        run.fail(number(run, "a"))
        delays.append(run.work[0].delay_ms)

    assert all(low <= delay <= low * 1.1 for low, delay in zip(least, delays, strict=True))


@pytest.mark.feature("exec.retry.fixed")
def test_tasks_that_fail_at_once_are_tried_again_at_different_times_all_over_the_tenth(rebuild: bool) -> None:
    patient = RetryPolicy("fixed", "10s")
    run = start(Parallel[(task(f"t{i}", retries=1, retry=patient) for i in range(20))], rebuild)
    for i in range(20):
        run.fail(number(run, f"t{i}"))

    delays = sorted(command.delay_ms for command in run.work)

    assert len(set(delays)) > 15
    assert (10_000 <= delays[0] < 10_200, 10_800 < delays[-1] <= 11_000) == (True, True)


@pytest.mark.feature("dflow.frames")
def test_every_frame_is_kept_and_says_where_two_runs_went_apart(rebuild: bool) -> None:
    runs = [start(Sequence[task("a", retries=0, continue_on_fail=True), task("b")], rebuild) for _ in range(2)]
    finish(runs[0], "a")
    runs[1].fail(number(runs[1], "a"))
    for run in runs:
        finish(run, "b")

    hashes = [
        [event.fields["frameHash"] for event in events_of(run.log) if event.type == "FrameCommitted"] for run in runs
    ]
    apart = [left == right for left, right in zip(*hashes, strict=True)]
    assert apart[:2] == [True, False]
    frames = [entry.data for entry in runs[1].log if entry.kind == "frame"]
    assert [frame["nodes"] for frame in frames] == [
        {"a:": "running", "b:": "pending"},
        {"a:": "failed", "b:": "running"},
        {"b:": "finished"},
    ]


@pytest.mark.feature("plan.exec.outcomes")
@pytest.mark.parametrize(
    ("end", "state", "status"),
    [
        (lambda run: run.finish(1, Out()), "finished", "finished"),
        (lambda run: run.fail(1, retryable=False), "failed", "failed"),
        (lambda run: run.fail(1), "running", "running"),
        (lambda run: run.cancel() or run.cancelled(1), "cancelled", "cancelled"),
    ],
    ids=["success", "failure", "retry", "cancellation"],
)
def test_a_task_ends_well_badly_for_now_or_because_it_was_asked_to(
    end: Callable[[InMemoryRun], object], state: str, status: str
) -> None:
    run = start(task("a"))
    end(run)

    assert (run.nodes["a:"].state, run.status) == (state, status)
    asks = start(task("a", needs_approval=True))
    assert (asks.nodes["a:"].state, asks.status) == ("waiting-approval", "waiting-approval")


@pytest.mark.feature("dflow.cursor")
def test_where_nothing_is_read_the_tree_stays_and_only_states_move_on(rebuild: bool) -> None:
    run = start(Sequence[task("a"), Parallel[task("b"), task("c")]], rebuild)
    shots = [snapshot(run.planner)]
    for node in ("a", "b", "c"):
        finish(run, node)
        shots.append(snapshot(run.planner))

    assert all(shot["children"] == shots[0]["children"] for shot in shots)
    assert [[one["state"] for one in shot["tasks"]] for shot in shots] == [
        ["running", "pending", "pending"],
        ["finished", "running", "running"],
        ["finished", "finished", "running"],
        ["finished", "finished", "finished"],
    ]
