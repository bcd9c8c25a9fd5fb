"""What a log tells: every kind of event with its fields, from the log alone."""

from __future__ import annotations

import ast
import inspect
import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import BaseModel

from smithers import Approval, Parallel, Sequence, Task, Timer, WaitForEvent
from smithers.engine import chronicle
from smithers.engine.catalogue import CATALOGUE, COMMON, schema
from smithers.engine.chronicle import Event, Reader, events_of
from smithers.engine.entry import Entry, claim_key
from smithers.testing import InMemoryRun
from tests.unit.engine.by_hand import number, start
from tests.unit.engine.trees import life

pytestmark = pytest.mark.decision("0021")

JSON_TYPES = {"string": str, "integer": int, "number": (int, float), "object": dict, "array": list, "boolean": bool}


class Out(BaseModel):
    n: int = 0


def work() -> Out:
    return Out()


def task(id: str, **props: Any) -> Task[Out]:
    return Task(id, output=Out, **props)[work]


def told(run: InMemoryRun) -> list[Event]:
    return list(events_of(run.log))


def of(run: InMemoryRun, *types: str) -> list[tuple[str, str, int, dict[str, Any]]]:
    return [(one.type, one.node, one.attempt, one.fields) for one in told(run) if one.type in types]


def names(run: InMemoryRun, node: str = "") -> list[str]:
    return [one.type for one in told(run) if one.node == node and one.type != "FrameCommitted"]


def claim(run: InMemoryRun, node: str, nth: int = 1) -> int:
    """A worker begins the body."""
    command = next(one for one in run.work if one.node == node)
    data = {"n": command.n, "node": node, "iteration": command.iteration, "attempt": command.attempt, "nth": nth}
    run.append("claim", claim_key(node, command.iteration, command.attempt, nth), data)
    return command.n


def faults(wire: dict[str, Any], shape: dict[str, Any]) -> list[str]:
    """Where an event as programs get it is not what its schema says."""
    odd = [f"{name} is missing" for name in shape["required"] if name not in wire]
    odd += [f"{name} is unknown" for name in wire if name not in shape["properties"]]
    for name, value in wire.items():
        type = shape["properties"].get(name, {}).get("type")
        if type and not isinstance(value, JSON_TYPES[type]):
            odd.append(f"{name}={value!r} is no {type}")
    return odd


@pytest.mark.feature("event.common", "event.common.node", "event.common.attempt")
def test_every_event_of_every_run_fits_its_schema() -> None:
    shapes = {one["title"]: one for one in schema()["anyOf"]}
    seen: set[str] = set()
    for seed in range(40):
        run, _ = life(seed)
        for event in told(run) if run is not None else ():
            assert not faults(event.wire("r1"), shapes[event.type]), (seed, event)
            seen.add(event.type)

    assert len(seen) > 20
    for one in CATALOGUE.values():
        about = [name.removesuffix("?") for name in one.fields]
        assert set(COMMON) <= set(shapes[one.name]["required"])
        if one.name != "RunContinuedAsNew":  # there it is the reference's name for how many runs were before
            assert ("nodeId" in about) == ("iteration" in about)
        assert "attempt" not in about or "nodeId" in about
    assert "attempt" in shapes["NodeStarted"]["required"]


def test_the_catalogue_has_what_can_be_told_and_nothing_else() -> None:
    words = {
        node.value
        for node in ast.walk(ast.parse(inspect.getsource(chronicle)))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    event_like = {word for word in words if re.fullmatch(r"([A-Z][a-z]+){2,}", word)}

    assert event_like == set(CATALOGUE)


@pytest.mark.feature("event.sub.store")
def test_events_follow_from_the_stored_log_alone_however_it_is_read() -> None:
    for seed in range(40):
        run, _ = life(seed)
        if run is None:
            continue
        stored = [replace(entry, data=json.loads(json.dumps(entry.data))) for entry in run.log]
        reader = Reader()
        one_by_one = [event for entry in stored for event in reader.events(entry)]
        assert one_by_one == told(run)


@pytest.mark.feature("event.RunStarted", "event.RunStatusChanged", "event.RunFinished", "event.RunFailed")
def test_a_run_tells_how_it_begins_changes_ends_and_goes_on() -> None:
    run = start(Sequence[task("a", retries=0), Approval("ask", title="?"), task("b")])
    run.fail(number(run, "a"))
    run.resume()
    run.finish(number(run, "a"), Out())
    run.decide("ask")
    run.finish(number(run, "b"), Out())

    mine = [(one.type, one.fields) for one in told(run) if one.type.startswith("Run")]
    error = {"code": "TASK_FAILED", "message": "scripted failure", "retryable": True, "node": "a", "iteration": ""}
    assert mine == [
        ("RunStarted", {}),
        ("RunStatusChanged", {"status": "running"}),
        ("RunStatusChanged", {"status": "failed"}),
        ("RunFailed", {"error": error}),
        ("RunStarted", {"by": "tester"}),
        ("RunStatusChanged", {"status": "running"}),
        ("RunStatusChanged", {"status": "waiting-approval"}),
        ("RunStatusChanged", {"status": "running"}),
        ("RunStatusChanged", {"status": "finished"}),
        ("RunFinished", {}),
    ]


@pytest.mark.feature("event.RunCancelled", "event.NodeCancelled", "event.TimerCancelled")
@pytest.mark.feature("run.cancel.attempts", "run.cancel.event")
def test_a_cancelled_run_tells_who_asked_what_was_cancelled_and_that_it_is_over() -> None:
    run = start(Parallel[task("a"), Timer("t", duration="1h"), Approval("ask", title="?")])
    n = claim(run, "a")
    run.cancel("enough")
    run.cancelled(n)

    assert names(run, "a") == ["NodeStarted", "NodeCancelling", "NodeCancelled"]
    assert ("TimerCancelled", "t", 0, {"timerId": "t"}) in of(run, "TimerCancelled")
    assert [node for _, node, _, _ in of(run, "NodeCancelled")] == ["ask", "t", "a"]
    assert [one.type for one in told(run)][-2:] == ["RunStatusChanged", "RunCancelled"]
    assert of(run, "RunCancelRequested") == [("RunCancelRequested", "", 0, {"by": "tester", "reason": "enough"})]


@pytest.mark.feature("event.FrameCommitted", "render.frame.commit")
def test_every_frame_is_told_with_its_number_and_a_hash_of_what_it_says(rebuild: bool) -> None:
    tree = Sequence[task("a"), task("b")]
    run, other = start(tree, rebuild), start(tree)
    for one in (run, other):
        one.finish(number(one, "a"), Out())
    other.fail(number(other, "b"))
    run.finish(number(run, "b"), Out())

    mine, theirs = ([fields for *_, fields in of(one, "FrameCommitted")] for one in (run, other))
    assert [fields["frameNo"] for fields in mine] == [1, 2, 3]
    assert all(re.fullmatch("[0-9a-f]{64}", fields["frameHash"]) for fields in mine)
    assert len([entry for entry in run.log if entry.kind == "frame"]) == 3
    assert mine[:2] == theirs[:2]
    assert mine[2] != theirs[2]


@pytest.mark.feature("event.NodePending", "event.NodeStarted", "event.NodeFailed", "event.NodeFinished")
@pytest.mark.feature("event.NodeRetrying", "exec.retry.event", "exec.attempt.number", "exec.attempt.row")
def test_a_task_tells_each_attempt_from_1_and_the_next_one_before_it_begins() -> None:
    run = start(Sequence[task("first"), task("a")])
    run.finish(number(run, "first"), Out())
    run.fail(claim(run, "a"))
    run.finish(claim(run, "a"), Out())

    mine = [(one.type, one.attempt) for one in told(run) if one.node == "a"]
    assert mine == [
        ("NodePending", 0),
        ("NodeStarted", 1),
        ("NodeFailed", 1),
        ("NodeRetrying", 2),
        ("NodeStarted", 2),
        ("NodeFinished", 2),
    ]
    failed = next(one for one in told(run) if one.type == "NodeFailed")
    assert failed.wire("r")["error"]["message"] == "scripted failure"
    retrying = next(one for one in told(run) if one.type == "NodeRetrying")
    assert 1000 <= retrying.fields["notBeforeMs"] - retrying.at_ms <= 1100
    assert [entry.key for entry in run.log if entry.kind == "ended"] == [
        "ended:first::a1",
        "ended:a::a1",
        "ended:a::a2",
    ]


def test_a_task_that_took_its_process_with_it_three_times_tells_that_it_failed() -> None:
    run = start(Sequence[task("a"), task("b")])
    n = claim(run, "a")
    for death in range(3):
        data = {"n": n, "node": "a", "iteration": "", "attempt": 1, "why": "SIGSEGV"}
        run.append("died", f"died:{n}:{death}", data)
        run.planner.apply(run.log[-1:])
    run.lose(n)

    assert of(run, "NodeFailed")[0][3]["error"]["code"] == "KILLED_WORKER"
    assert [one.type for one in told(run)].count("NodeFailed") == 1


@pytest.mark.feature("event.NodeSkipped", "exec.skip.now", "exec.skip.vs.cond", "author.cond.null", "author.cond.and")
def test_what_is_skipped_is_told_and_what_is_not_there_is_not() -> None:
    off = False
    run = start(Sequence[task("left", skip_if=True), None, off and task("never"), task("a")])

    assert names(run, "left") == ["NodeSkipped"]
    assert set(run.nodes) == {"left:", "a:"}


@pytest.mark.feature("event.NodeWaitingApproval", "event.ApprovalRequested", "event.ApprovalGranted")
@pytest.mark.feature("event.ApprovalDenied")
@pytest.mark.parametrize(("approved", "last"), [(True, "ApprovalGranted"), (False, "ApprovalDenied")])
def test_a_question_to_a_person_is_told_with_its_answer(approved: bool, last: str) -> None:
    run = start(Approval("ask", title="Ship?", on_deny="continue"))
    run.decide("ask", approved=approved, note="so be it", by="ann")

    assert names(run, "ask") == ["NodeWaitingApproval", "ApprovalRequested", last]
    assert of(run, last) == [(last, "ask", 0, {"by": "ann", "note": "so be it"})]


@pytest.mark.feature("event.NodeWaitingTimer", "event.TimerCreated", "event.TimerFired")
def test_a_timer_tells_when_it_is_to_fire_and_how_late_it_did() -> None:
    at = datetime(2030, 1, 1, tzinfo=UTC)
    run = start(Parallel[Timer("nap", duration="1h"), Timer("then", until=at)])
    frame = next(entry for entry in run.log if entry.kind == "frame")
    due = {"nap": frame.at_ms + 3_600_000, "then": round(at.timestamp() * 1000)}
    for node, at_ms in due.items():
        run.now_ms = at_ms + 40
        run.fire(number(run, node))

    created = {node: fields for _, node, _, fields in of(run, "TimerCreated")}
    assert created == {
        "nap": {"timerId": "nap", "timerType": "duration", "firesAtMs": due["nap"]},
        "then": {"timerId": "then", "timerType": "absolute", "firesAtMs": due["then"]},
    }
    assert {node: fields for _, node, _, fields in of(run, "NodeWaitingTimer")} == {
        node: {"firesAtMs": at_ms} for node, at_ms in due.items()
    }
    for _, node, _, fields in of(run, "TimerFired"):
        assert fields["firesAtMs"] == due[node]
        assert fields["delayMs"] == fields["firedAtMs"] - due[node] >= 40


def test_the_time_limit_of_a_wait_is_a_deadline_that_is_told_when_it_is_not_wanted_any_more() -> None:
    run = start(WaitForEvent("deploy", event="deployed", output=Out, timeout="1h"))
    run.signal("deployed", Out(n=1))

    assert [one for one in names(run, "deploy") if one.startswith("Timer")] == ["TimerCreated", "TimerCancelled"]
    assert of(run, "TimerCreated")[0][3]["timerType"] == "deadline"
    assert of(run, "NodeFinished")[0][3]["signal"] == 3


ENTRY: Callable[..., Entry] = lambda kind, data: Entry(9, kind, "k", data, 5)  # noqa: E731
NODE = {"node": "a", "iteration": "1", "attempt": 2, "n": 4}


@pytest.mark.parametrize(
    ("kind", "data", "type"),
    [
        ("voted", {**NODE, "by": "ann"}, "ApprovalVoted"),
        ("died", {**NODE, "why": "SIGKILL"}, "WorkerDied"),
        ("released", {**NODE, "why": "drained"}, "WorkerReleased"),
        ("settled", {**NODE, "why": "lost"}, "StepSettled"),
        ("render_failed", {"error": {"code": "RENDER_ERROR", "message": "no"}}, "RenderFailed"),
        ("follow", {"digest": "d" * 64}, "WorkflowReloaded"),
        ("retried", {**NODE, "by": "ann"}, "RetryTaskStarted"),
        ("rejected", {"why": "late"}, "FactRejected"),
        ("rejected", {**NODE, "by": "ann", "why": "no"}, "AnswerRefused"),
        ("redriven", {"by": "ann"}, "RunStarted"),
        ("fired", NODE, "TimerFired"),
    ],
)
def test_every_other_fact_is_an_event_that_fits_its_schema(kind: str, data: dict[str, Any], type: str) -> None:
    (event,) = events_of([ENTRY(kind, data)])

    shape = next(one for one in schema()["anyOf"] if one["title"] == type)
    wire = event.wire("r1")
    extra = {"attempt"} & set(wire) - set(shape["properties"])
    assert (event.type, event.category) == (type, CATALOGUE[type].category)
    assert not faults({name: value for name, value in wire.items() if name not in extra}, shape)


@pytest.mark.decision("0012")
@pytest.mark.parametrize(
    ("found", "told"),
    [
        ({"hit": {"run": "r0", "at_ms": 1}}, ("CacheHit", {"run": "r0"})),
        ({"missed": "it is too old"}, ("CacheMiss", {"why": "it is too old"})),
        ({"missed": ""}, ("CacheMiss", {"why": "nothing is kept under this key"})),
        (None, None),
    ],
)
def test_a_look_into_the_cache_is_an_event(found: dict[str, Any] | None, told: tuple[str, Any] | None) -> None:
    about = {"cache": {"key": "0123456789abcdef", "version": "", **found}} if found is not None else {}
    data = {"n": 1, "node": "a", "iteration": "", "attempt": 1, "outcome": "finished", "output": {}, "ms": 0, **about}

    events = [one for one in events_of([ENTRY("ended", data)]) if one.type.startswith("Cache")]

    expected = [] if told is None else [(told[0], "a", {"key": "0123456789ab", **told[1]})]
    assert [(one.type, one.node, one.fields) for one in events] == expected


@pytest.mark.feature("event.FrameCommitted")
def test_a_status_is_told_where_it_changes_and_nowhere_else() -> None:
    kinds = ("cancel", "paused", "signal", "unpaused", "signal", "paused", "cancel")
    data = {"by": "ann", "reason": None, "name": "go", "payload": {}, "correlation": None}
    log = [Entry(at, kind, f"{kind}:{at}", data, at) for at, kind in enumerate(kinds, 1)]

    told = [(one.seq, one.fields["status"]) for one in events_of(log) if one.type == "RunStatusChanged"]

    assert told == [(2, "paused"), (4, "running"), (6, "paused"), (7, "running")]
