"""Tasks whose approval is waited for only so long, and gates that not everybody opens: in memory, from a cold start
after every event, and on Temporal."""

from __future__ import annotations

from typing import Any

import pytest

from smithers import Approval, ApprovalGate, Decision, Loop, RetryPolicy, Sequence
from smithers.errors import AnswerRefused, WrongState
from smithers.testing import Answer
from tests.unit.engine.asking import Out, task
from tests.unit.engine.by_hand import start

pytestmark = pytest.mark.decision("0028")

SOON: Any = {"needs_approval": True, "approval_timeout": "200ms"}
LATER: Any = {"needs_approval": True, "approval_timeout": "1h"}


@pytest.mark.parametrize(
    ("late", "status", "state", "started"),
    [
        ("fail", "failed", "failed", []),
        ("skip", "finished", "skipped", ["after"]),
        ("approve", "finished", "finished", ["deploy", "after"]),
    ],
)
def test_what_becomes_of_a_task_that_nobody_approves_in_time(
    run: Any, late: Any, status: str, state: str, started: list[str]
) -> None:
    ended = run(Sequence[task("deploy", on_approval_timeout=late, **SOON), task("after")])

    assert (ended.status, ended.state("deploy"), ended.started) == (status, state, started)
    if late == "fail":
        assert ended.error["code"] == "APPROVAL_TIMEOUT"
        assert ended.error["message"].endswith("nobody answered 'deploy' within 200ms")


def test_an_answer_in_time_ends_the_timer(rebuild: bool) -> None:
    run = start(task("deploy", **LATER), rebuild=rebuild)
    [timer] = run.work
    assert (timer.kind, timer.delay_ms, timer.attempt) == ("timer", 3_600_000, 1)
    assert (run.waiting[0].detail or {})["timeout_ms"] == 3_600_000

    run.decide("deploy")

    assert [command.kind for command in run.work] == ["run"]
    with pytest.raises(WrongState):
        run.fire(timer.n)


def test_one_that_was_let_begin_late_is_not_asked_for_again_when_its_run_is_resumed(rebuild: bool) -> None:
    run = start(task("deploy", on_approval_timeout="approve", retries=0, **LATER), rebuild=rebuild)
    run.fire(run.work[0].n)
    run.fail(run.work[0].n)
    assert run.status == "failed"

    run.resume()

    assert (run.waiting, [command.kind for command in run.work]) == ([], ["run"])


def test_one_that_was_let_begin_late_is_tried_again_without_another_question(rebuild: bool) -> None:
    props = LATER | {"on_approval_timeout": "approve", "retries": 1, "retry": RetryPolicy("fixed", "10ms")}
    run = start(task("deploy", **props), rebuild=rebuild)
    run.fire(run.work[0].n)
    run.fail(run.work[0].n)

    assert (run.waiting, [(command.kind, command.attempt) for command in run.work]) == ([], [("run", 2)])


def test_one_that_nobody_has_approved_in_time_is_asked_for_again_when_its_run_is_resumed(rebuild: bool) -> None:
    run = start(task("deploy", **LATER), rebuild=rebuild)
    run.fire(run.work[0].n)
    assert run.status == "failed"

    run.resume()

    assert [(row.node, (row.detail or {}).get("ask")) for row in run.waiting] == [("deploy", 2)]
    assert [(command.kind, command.attempt) for command in run.work] == [("timer", 2)]
    run.decide("deploy")
    assert [command.kind for command in run.work] == ["run"]


def test_a_node_that_is_run_again_is_asked_for_with_its_whole_time(rebuild: bool) -> None:
    run = start(task("deploy", on_approval_timeout="approve", **LATER), rebuild=rebuild)
    run.fire(run.work[0].n)
    run.finish(run.work[0].n, Out())
    assert run.status == "finished"

    run = start(Sequence[task("deploy", on_approval_timeout="approve", **LATER), Approval("ok")], rebuild=rebuild)
    run.fire(run.work[0].n)
    run.finish(run.work[0].n, Out())
    run.retry("deploy")

    assert [row.node for row in run.waiting] == ["deploy"]
    assert [command.kind for command in run.work] == ["timer"]


def test_it_takes_its_turn_in_a_queue_after_its_time(rebuild: bool) -> None:
    run = start(task("deploy", on_approval_timeout="approve", queue="q", **LATER), rebuild=rebuild)
    run.fire(run.work[0].n)

    assert [command.kind for command in run.work] == ["run"]
    assert [entry.kind for entry in run.log if entry.kind in ("fired", "admitted")] == ["fired", "admitted"]


def test_each_pass_of_a_loop_has_its_whole_time(rebuild: bool) -> None:
    body = task("deploy", on_approval_timeout="skip", **LATER)
    run = start(Loop("l", until=False, max_iterations=2)[body], rebuild=rebuild)
    for turn in ("0", "1"):
        [timer] = run.work
        assert timer.iteration == turn
        run.fire(timer.n)

    assert run.status == "finished"


def test_an_async_one_stands_aside_until_its_time_is_over(rebuild: bool) -> None:
    tree = Sequence[task("deploy", async_=True, on_approval_timeout="approve", **LATER), task("next")]
    run = start(tree, rebuild=rebuild)
    timer = next(command for command in run.work if command.kind == "timer")
    run.finish(next(command.n for command in run.work if command.node == "next"), Out())
    assert run.status == "waiting-approval"

    run.fire(timer.n)

    assert [command.node for command in run.work] == ["deploy"]


def test_a_gate_is_opened_only_by_those_who_may(run: Any) -> None:
    gate = ApprovalGate("ship", when=True, allowed_users=["ann"], allowed_scopes=["ops"])
    allowed = Answer(True, "ann", scopes=frozenset({"ops"}))
    assert run(gate, decisions={"ship": allowed}).output(Decision, "ship").decided_by == "ann"


@pytest.mark.parametrize(
    ("by", "scopes"), [("bob", {"ops"}), ("ann", set()), ("ann", {"dev"})], ids=["user", "no scope", "other scope"]
)
def test_others_are_refused_at_a_gate(by: str, scopes: set[str]) -> None:
    run = start(ApprovalGate("ship", when=True, allowed_users=["ann"], allowed_scopes=["ops"]))

    with pytest.raises(AnswerRefused):
        run.decide("ship", by=by, scopes=sorted(scopes))

    assert [row.node for row in run.waiting] == ["ship"]


def test_a_gate_that_asks_nobody_needs_none_of_them(run: Any) -> None:
    ended = run(ApprovalGate("ship", when=False, allowed_users=["ann"]))
    assert (ended.status, ended.output(Decision, "ship").approved) == ("finished", True)
