"""A step carries out its command once, whatever is delivered, and answers with what follows."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from dataclasses import replace

import pytest
from pydantic import BaseModel

from smithers import Approval, Child, Context, Parallel, Sequence, Task, TaskContext, Timer, call, workflow
from smithers.engine.chronicle import events_of
from smithers.engine.entry import EndedRun, Fact
from smithers.errors import StoreUnavailable
from smithers.store.records import Append, Appended
from smithers.temporal import identity
from smithers.temporal.order import Answer
from tests.unit.temporal.conftest import Gone, Yard, gone, stop_before_bodies

pytestmark = pytest.mark.decision("0002")


class Out(BaseModel):
    n: int


def work(n: int) -> Out:
    return Out(n=n)


@workflow
def two(ctx: Context[dict[str, int]]) -> Child:
    return Sequence[Task("a", output=Out)[call(work, 1)], Task("b", output=Out)[call(work, 2)]]


@workflow
def pair(ctx: Context[dict[str, int]]) -> Child:
    return Parallel[Task("a", output=Out)[call(work, 1)], Task("b", output=Out)[call(work, 2)]]


@workflow
def waits(ctx: Context[dict[str, int]]) -> Child:
    return Sequence[Timer("t", duration="1ms"), Approval("ok", title="Fine?"), Task("a", output=Out)[call(work, 1)]]


def kinds(answer: Answer) -> list[tuple[int, str]]:
    return [(command.n, command.kind) for command in answer.commands]


def test_a_fetch_plans_a_new_run_and_returns_its_commands(yard: Yard) -> None:
    yard.start(two)
    answer = yard.fetch()
    assert kinds(answer) == [(1, "run")]
    assert answer.queue == "smithers-p-" + "d" * 12
    assert yard.kinds() == ["started", "frame"]


@pytest.mark.feature("plan.commit", "exec.persist.immediate", "exec.persist.parts")
def test_a_step_claims_runs_ends_and_plans(yard: Yard) -> None:
    yard.start(two)
    yard.fetch()
    answer = yard.step(1)
    assert yard.kinds() == ["started", "frame", "claim", "ended", "frame"]
    assert kinds(answer) == [(2, "run")]
    ended = yard.ended()["a"]
    assert (ended["output"], ended["outcome"], ended["attempt"]) == ({"n": 1}, "finished", 1)
    assert {row.node: row.state for row in yard.store.nodes("r")} == {"a": "finished", "b": "running"}
    told = [event.type for event in events_of(yard.entries())]
    assert told.index("NodeStarted") < told.index("NodeFinished") < len(told) - 1


def test_the_last_step_says_how_the_run_ended(yard: Yard) -> None:
    yard.start(two)
    yard.fetch()
    yard.step(1)
    answer = yard.step(2)
    assert (answer.done, [kind for _, kind in kinds(answer)]) == ("finished", ["complete"])
    assert yard.status() == "finished"


@pytest.mark.feature("exec.once")
def test_a_step_that_is_delivered_again_runs_nothing_and_answers_the_same(yard: Yard) -> None:
    yard.start(two)
    yard.fetch()
    first = yard.step(1)
    before = yard.kinds()
    for process in (yard, yard.again()):
        assert process.step(1, attempt=2) == first
        assert process.step(1) == first
    assert yard.kinds() == before
    assert yard.bodies.names == ["a"]


def test_a_finished_run_is_answered_to_everybody(yard: Yard) -> None:
    yard.start(two)
    yard.fetch()
    yard.step(1)
    yard.step(2)
    assert yard.again().fetch().done == "finished"
    assert yard.again().step(2, attempt=3).done == "finished"


def test_a_fact_that_came_while_the_last_frame_was_planned_keeps_nobody_busy(yard: Yard) -> None:
    yard.start(two)
    yard.fetch()
    yard.step(1)
    yard.step(2)
    assert yard.status() == "finished"
    yard.store.append(Append("r", (Fact("signal", "signal:late:1", {"name": "late", "payload": None}),)))
    yard.rung.clear()

    assert yard.fetch().done == "finished"
    assert yard.rung == []


@pytest.mark.parametrize("attempt", [1, 2])
def test_an_older_epoch_does_nothing(yard: Yard, attempt: int) -> None:
    yard.start(two)
    yard.fetch()
    yard.store.redrive("r")
    assert yard.step(1, attempt=attempt).done == "stale"
    assert yard.fetch().done == "stale"
    assert "ended" not in yard.kinds()


def test_a_run_that_is_not_there_is_stale(yard: Yard) -> None:
    assert yard.fetch("nobody").done == "stale"
    assert yard.step(1, "nobody").done == "stale"


def test_parallel_steps_store_alone_and_one_of_them_plans(yard: Yard) -> None:
    yard.start(pair)
    assert kinds(yard.fetch()) == [(1, "run"), (2, "run")]
    assert yard.step(1).commands == ()
    assert yard.step(2).done == "finished"
    assert [entry.data["node"] for entry in yard.entries("ended")] == ["a", "b"]


def test_a_timer_fires_once_and_the_approval_waits(yard: Yard) -> None:
    yard.start(waits)
    assert kinds(yard.fetch()) == [(1, "timer")]
    assert yard.deliver_light(1).commands == ()
    assert yard.status() == "waiting-approval"
    yard.deliver_light(1)
    assert yard.kinds().count("fired") == 1


def test_a_decision_is_planned_by_the_fetch_that_the_bell_brings(yard: Yard) -> None:
    yard.start(waits)
    yard.fetch()
    yard.deliver_light(1)
    yard.decide("ok", approved=True)
    assert kinds(yard.fetch()) == [(2, "run")]


@pytest.mark.feature("exec.once")
def test_a_result_that_the_store_did_not_take_is_kept_and_not_computed_again(yard: Yard) -> None:
    yard.start(two)
    yard.fetch()
    cut_off(yard, "ended")
    with pytest.raises(StoreUnavailable):
        yard.step(1)
    restore(yard)
    other = yard.again(worker=yard.worker)
    assert kinds(other.step(1, attempt=2)) == [(2, "run")]
    assert yard.bodies.names + other.bodies.names == ["a"]
    assert not list((yard.folder / "spool").iterdir())


def cut_off(yard: Yard, kind: str) -> None:
    """From now on the store refuses facts of one kind."""
    append = yard.store.append

    def refuse(request: Append) -> Appended:
        if any(fact.kind == kind for fact in request.facts):
            raise StoreUnavailable
        return append(request)

    yard.store.append = refuse


def restore(yard: Yard) -> None:
    del yard.store.append


def test_a_redelivery_attaches_to_the_body_that_still_runs(yard: Yard) -> None:
    go, runs = threading.Event(), []

    def slow() -> Out:
        runs.append(1)
        go.wait(10)
        return Out(n=1)

    @workflow
    def one(ctx: Context[dict[str, int]]) -> Child:
        return Task("a", output=Out)[slow]

    yard.start(one)
    yard.fetch()
    answers: list[Answer] = []
    threads = [threading.Thread(target=lambda k=k: answers.append(yard.step(1, attempt=k))) for k in (1, 2)]
    threads[0].start()
    until(lambda: runs)
    threads[1].start()
    time.sleep(0.05)
    go.set()
    for thread in threads:
        thread.join(10)
    assert runs == [1]
    assert [answer.done for answer in answers] == ["finished", "finished"]
    assert yard.kinds().count("ended") == 1


def until(condition: object) -> None:
    deadline = time.monotonic() + 10
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.002)


def test_an_old_delivery_leaves_the_command_to_the_newer_one(yard: Yard) -> None:
    yard.start(two)
    yard.fetch()
    newer = yard.again(worker=gone())
    stop_before_bodies(newer)
    with pytest.raises(Gone):
        newer.step(1, since=2000)
    yard.step(1, attempt=2)
    assert yard.bodies.ran == []
    assert "died" not in yard.kinds()


def test_an_error_of_the_authors_is_a_fact_and_a_retry_is_planned(yard: Yard) -> None:
    def broken() -> Out:
        raise ValueError("no")

    @workflow
    def one(ctx: Context[dict[str, int]]) -> Child:
        return Task("a", output=Out, retries=1)[broken]

    yard.start(one)
    yard.fetch()
    answer = yard.step(1)
    assert kinds(answer) == [(2, "run")]
    assert answer.commands[0].due_ms > yard.entries("frame")[-1].at_ms
    assert yard.step(2).done == "failed"


@pytest.mark.feature("err.TASK_TIMEOUT", "exec.compute.timeout")
def test_a_deadline_is_kept_though_the_body_takes_no_notice(yard: Yard) -> None:
    go = threading.Event()

    def stubborn() -> Out:
        go.wait(20)
        return Out(n=1)

    @workflow
    def one(ctx: Context[dict[str, int]]) -> Child:
        return Task("a", output=Out, retries=0, timeout="50ms")[stubborn]

    yard.keep_time().start(one)
    yard.fetch()
    assert yard.step(1).done == "failed"
    go.set()
    error = yard.ended()["a"]["error"]
    assert (error["code"], error["data"]) == ("TASK_TIMEOUT", {"node_id": "a", "attempt": 1, "timeout_ms": 50})


@pytest.mark.feature("exec.timeout.attempt")
def test_the_next_attempt_waits_for_a_body_that_was_left_behind(yard: Yard) -> None:
    go, order = threading.Event(), []

    def stubborn(context: TaskContext) -> Out:
        if context.attempt == 1:
            go.wait(20)
            order.append("first returned")
        else:
            order.append("second began")
        return Out(n=1)

    @workflow
    def one(ctx: Context[dict[str, int]]) -> Child:
        return Task("a", output=Out, retries=1, timeout="50ms")[stubborn]

    yard.keep_time().start(one)
    yard.fetch()
    yard.step(1)
    second = threading.Thread(target=lambda: yard.step(2))
    second.start()
    time.sleep(0.1)
    assert order == []
    go.set()
    second.join(10)
    assert order == ["first returned", "second began"]


def test_a_cancelled_body_ends_as_cancelled(yard: Yard) -> None:
    def patient(context: TaskContext) -> Out:
        while True:
            context.raise_if_cancelled()
            time.sleep(0.005)

    @workflow
    def one(ctx: Context[dict[str, int]]) -> Child:
        return Task("a", output=Out)[patient]

    yard.start(one)
    yard.fetch()
    step = threading.Thread(target=lambda: yard.step(1))
    step.start()
    until(lambda: len(yard.shop.table))
    yard.shop.table.every()[0].stop("cancel")
    step.join(10)
    assert yard.ended()["a"]["outcome"] == "cancelled"


def test_a_child_stores_and_rings_and_does_not_plan(yard: Yard) -> None:
    yard.start(two)
    yard.fetch()
    assert yard.step(1, child=True) == Answer()
    assert yard.kinds() == ["started", "frame", "claim", "ended"]
    assert yard.rung == ["r"]
    assert kinds(yard.fetch()) == [(2, "run")]


def test_a_body_of_code_that_the_run_does_not_follow_any_more_does_not_begin(yard: Yard) -> None:
    """The driver takes it for a step that no worker could take: it settles the command, and the new code plans it."""
    yard.start(two)
    yard.fetch()
    yard.store.append(Append("r", (follow("e" * 64),)))
    assert yard.step(1) == Answer(unheld=True)
    assert yard.step(1, attempt=2, child=True) == Answer(unheld=True)
    assert (yard.bodies.ran, yard.entries("claim")) == ([], [])
    yard.hold(two, "e" * 64)
    assert kinds(yard.fetch(settle=(1,))) == [(2, "run")]
    assert kinds(yard.step(2, code="smithers-p-" + "e" * 12)) == [(3, "run")]
    assert yard.bodies.names == ["a"]


def test_a_body_that_has_begun_ends_though_the_run_follows_other_code_and_the_other_code_plans(yard: Yard) -> None:
    @workflow
    def moving(ctx: Context[dict[str, int]]) -> Child:
        return Sequence[Task("a", output=Out)[call(work_and_follow)], Task("b", output=Out)[call(work, 2)]]

    def work_and_follow() -> Out:
        yard.store.append(Append("r", (follow("e" * 64),)))
        return Out(n=1)

    yard.start(moving)
    yard.fetch()
    answer = yard.step(1)
    assert (answer.elsewhere, answer.queue, answer.commands) == (True, "smithers-p-" + "e" * 12, ())
    assert yard.kinds() == ["started", "frame", "claim", "follow", "ended"]
    yard.hold(moving, "e" * 64)
    assert kinds(yard.fetch()) == [(2, "run")]
    assert [entry.code[:1] for entry in yard.entries("frame", "ended")] == ["d", "d", "e"]


def test_old_code_that_does_not_render_any_more_does_not_make_the_run_wait(yard: Yard) -> None:
    broken = []

    @workflow
    def breaks(ctx: Context[dict[str, int]]) -> Child:
        if broken:
            raise ValueError("old")
        return Sequence[Task("a", output=Out)[call(work, 1)], Task("b", output=Out)[call(break_and_follow)]]

    def break_and_follow() -> Out:
        broken.append(True)
        yard.store.append(Append("r", (follow("e" * 64),)))
        return Out(n=1)

    yard.start(breaks)
    yard.fetch()
    yard.step(1)
    yard.step(2)
    assert yard.entries("render_failed") == []
    assert yard.status() == "running"


def follow(digest: str) -> Fact:
    return Fact("follow", f"follow:{digest}", {"digest": digest, "source": "flow.py"})


def test_a_worker_without_the_code_reports_and_sends_the_plan_elsewhere(yard: Yard) -> None:
    yard.start(two)
    yard.fetch()
    bare = replace(yard.again(), codes={})
    answer = bare.fetch(settle=(1,))
    assert answer.elsewhere
    assert yard.kinds()[-1] == "settled"
    assert kinds(yard.again().fetch()) == [(2, "run")]


def test_a_run_that_is_resumed_is_not_ended_by_the_command_that_failed_it(yard: Yard) -> None:
    fails = [True]

    def work_once() -> Out:
        if fails:
            raise TypeError("no")
        return Out(n=1)

    @workflow
    def one(ctx: Context[dict[str, int]]) -> Child:
        return Task("a", output=Out)[work_once]

    yard.start(one)
    yard.fetch()
    assert yard.step(1).done == "failed"
    yard.store.append(Append("r", (Fact("resumed", "resumed:2", {"by": "tester"}, EndedRun(("failed",))),)))
    yard.codes.clear()
    assert yard.fetch(epoch=2).commands == ()
    assert yard.fetch().done == "stale"
    assert yard.fetch().epoch == 2
    fails.clear()
    yard.hold(one)
    answer = yard.fetch(epoch=2)
    assert [command.kind for command in answer.commands] == ["run"]
    assert yard.step(answer.commands[0].n, epoch=2).done == "finished"


def test_a_body_in_another_living_process_is_waited_for(yard: Yard) -> None:
    """Temporal has given it up too early, on a machine under load: running it twice would be worse than waiting."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    living = str(replace(identity.own(), pid=process.pid, born=identity.born(process.pid)))
    yard.start(two)
    yard.fetch()
    other = yard.again(worker=living)
    stop_before_bodies(other)
    with pytest.raises(Gone):
        other.step(1)
    answers: list[Answer] = []
    waiting = threading.Thread(target=lambda: answers.append(yard.step(1, attempt=2)))
    waiting.start()
    time.sleep(0.3)
    assert answers == []
    yard.shop.spool.put("r", 1, 1, {"outcome": "finished", "output": {"n": 7}, "ms": 5})
    waiting.join(10)
    process.communicate(b"\n")
    assert yard.bodies.ran == []
    assert yard.ended()["a"]["output"] == {"n": 7}


def test_what_was_given_up_can_write_nothing_when_it_returns(yard: Yard) -> None:
    go, returned = threading.Event(), threading.Event()

    def stubborn() -> Out:
        go.wait(20)
        returned.set()
        return Out(n=1)

    @workflow
    def one(ctx: Context[dict[str, int]]) -> Child:
        return Task("a", output=Out, retries=0, timeout="50ms")[stubborn]

    yard.keep_time().start(one)
    yard.fetch()
    assert yard.step(1).done == "failed"
    before = yard.kinds()
    go.set()
    returned.wait(10)
    until(lambda: not yard.shop.table.others("r", replace(yard.store.command("r", 1)[0].command, n=99)))
    assert yard.kinds() == before
