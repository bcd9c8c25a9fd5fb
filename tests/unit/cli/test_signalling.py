"""`smithers signal`: an event is a fact in the store, with nothing running; and what the other commands say of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from smithers.engine.entry import Fact, OpenCommand
from smithers.engine.inbox import Sent
from smithers.store.records import Append
from smithers.views.signals import ANY, Filter, deliver, received
from tests.unit.cli.flows import awaiting, release
from tests.unit.cli.stage import Stage

DATA = '{"sha": "abc"}'
DEPLOY = ("signal", "r1", "deploy.completed", "--data", DATA, "--correlation", "pr-7")


@pytest.fixture
def waiting(stage: Stage) -> Stage:
    stage.start(awaiting, "r1")
    return stage


@pytest.mark.feature(
    "cli.signal.send", "cli.signal.data", "cli.signal.correlation", "cli.signal.by", "inbox.signal.write"
)
def test_an_event_is_stored_with_its_payload_and_who_sent_it(waiting: Stage):
    answer = waiting.call(*DEPLOY, "--by", "ci", "--format", "json")

    assert answer.status == 0
    entry = waiting.store.entries_by_key("r1", "signal:")[0]
    assert entry.data == {"name": "deploy.completed", "payload": {"sha": "abc"}, "correlation": "pr-7", "by": "ci"}
    told = answer.json
    assert (told["seq"], told["woken"], told["repeated"]) == (entry.seq, False, False)
    assert told["waiting"] == [{"nodeId": "deploy", "iteration": "0"}]


@pytest.mark.feature("cli.signal.resume")
def test_with_nothing_running_it_says_what_carries_the_run_on(waiting: Stage):
    answer = waiting.call(*DEPLOY)

    assert "✉ 'deploy.completed' was sent to r1 by ann" in answer.out
    assert "deploy waits for it" in answer.out
    assert "smithers up --resume r1" in answer.err


@pytest.mark.feature("signal.cli-name", "waitforevent.early-event")
def test_an_event_that_nobody_waits_for_is_kept_and_what_is_waited_for_is_named(waiting: Stage):
    early = waiting.call("signal", "r1", "feedback", "--data", DATA)

    assert early.status == 0
    assert "nobody waits for it now" in early.out
    assert "The run waits for 'deploy.completed' (pr-7)" in early.out
    waiting.call(*DEPLOY)
    waiting.plan("r1")
    assert waiting.store.node("r1", "feedback").state == "finished"
    assert waiting.command("r1", "told").kind == "run"


@pytest.mark.feature("cli.signal.data")
def test_without_data_the_payload_is_an_empty_object_and_a_file_may_hold_it(stage: Stage, tmp_path: Path):
    stage.start(release, "r1")
    (tmp_path / "data.json").write_text('{"from": "file"}')

    stage.call("signal", "r1", "a")
    stage.call("signal", "latest", "b", "--data", "@data.json")

    assert [one.entry.data["payload"] for one in received(stage.store, "r1", Filter())] == [{}, {"from": "file"}]


@pytest.mark.feature("cli.global.exit4")
@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("nosuch", "x"), "RUN_NOT_FOUND", "There is no run 'nosuch'"),
        (("r1", "x", "--data", "{"), "INVALID_INPUT", "The JSON in --data is broken at line 1, column 2"),
        (("r1", "x", "--data", "@none.json"), "INPUT_ERROR", "--data @none.json: none.json cannot be read"),
        (("r1", " "), "INPUT_ERROR", "texts that are not empty"),
        (("r1", "x", "--correlation", ""), "INPUT_ERROR", "texts that are not empty"),
        (("r1", "n" * 201), "INPUT_ERROR", "at most 200 characters"),
        (("r1", "x\ny"), "INPUT_ERROR", "would never be waited for"),
        (("r1", "x", "--correlation", "pr-7 "), "INPUT_ERROR", "without blanks at their ends"),
        (
            ("r1", "deploy.completed", "-c", "pr-7", "--data", '{"tries": "2"}'),
            "INVALID_PAYLOAD",
            "does not fit Deploy, which 'deploy' waits for: sha: it is missing; tries: \"2\" is not a whole number",
        ),
    ],
)
def test_what_cannot_be_sent_is_wrong_use_and_stores_nothing(
    waiting: Stage, words: tuple[str, ...], code: str, message: str
):
    answer = waiting.call("signal", *words, "--json")

    assert answer.status == 4
    assert answer.error["code"] == code
    assert message in answer.error["message"]
    assert waiting.store.entries_by_key("r1", "signal:") == []


def test_a_run_that_has_ended_takes_no_events_and_is_told_as_it_is(stage: Stage):
    stage.start(release, "r1")
    stage.end("r1", "build", error="no")

    answer = stage.call("signal", "r1", "go", "--json")

    assert (answer.status, answer.error["data"]["status"]) == (4, "failed")
    assert "it is failed" in answer.error["message"]
    assert "smithers up --resume r1" in answer.error["message"]


@pytest.mark.feature("inbox.signal.dedupe")
def test_the_very_same_event_is_stored_once(waiting: Stage):
    run = waiting.store.run("r1")
    sent = Sent("go", {"n": 1}, None, "ci", 1_000)

    first, again = deliver(waiting.store, run, sent), deliver(waiting.store, run, sent)
    later = deliver(waiting.store, run, Sent("go", {"n": 1}, None, "ci", 1_001))

    assert (first.is_new, again.is_new, later.is_new) == (True, False, True)
    assert first.entry.seq == again.entry.seq < later.entry.seq


@pytest.mark.feature(
    "inbox.signal.filter.name",
    "inbox.signal.filter.corr",
    "inbox.signal.filter.after",
    "inbox.signal.filter.limit",
    "inbox.signal.order",
)
def test_signals_are_found_by_name_correlation_time_and_number_in_order_of_arrival(waiting: Stage):
    run = waiting.store.run("r1")
    for at, (name, correlation) in enumerate([("b", "x"), ("a", None), ("b", None), ("b", "x")]):
        deliver(waiting.store, run, Sent(name, {"at": at}, correlation, None, at))

    def found(**wanted: object) -> list[int]:
        chosen = Filter(**wanted)  # pyright: ignore[reportArgumentType]
        return [one.entry.data["payload"]["at"] for one in received(waiting.store, "r1", chosen)]

    assert found() == [0, 1, 2, 3]
    assert found(name="b") == [0, 2, 3]
    assert (found(correlation="x"), found(correlation=None), found(correlation=ANY, limit=2)) == (
        [0, 3],
        [1, 2],
        [0, 1],
    )
    last = received(waiting.store, "r1", Filter())[-1].entry.at_ms
    assert found(after_ms=last)[-1] == 3
    assert found(after_ms=last + 1) == []


@pytest.mark.feature("cli.why.explain")
def test_why_says_what_is_waited_for_until_when_and_how_to_send_it(waiting: Stage):
    reason = waiting.call("why", "r1", "--json").json["reasons"][0]

    assert (reason["kind"], reason["nodeId"]) == ("event", "deploy")
    assert "waits for the event 'deploy.completed' (pr-7), until " in reason["text"]
    assert reason["command"].startswith("smithers signal r1 deploy.completed --correlation pr-7 --data ")
    assert reason["expiresAt"]
    plain = waiting.call("why", "r1").out
    assert "It waits for an event." in plain


def test_why_tells_of_an_early_payload_that_does_not_fit(waiting: Stage):
    waiting.call("signal", "r1", "feedback", "--data", '{"sha": 1}')
    waiting.call(*DEPLOY)
    waiting.plan("r1")

    assert "does not fit Deploy: sha: " in waiting.call("why", "r1").out
    assert waiting.call("inspect", "r1", "--json").json["pendingEvents"][0]["unfit"][0]["why"].startswith("sha: ")


@pytest.mark.feature("event.none.waitevent")
def test_inspect_ps_and_events_show_waits_and_signals(waiting: Stage):
    shown = waiting.call("inspect", "r1", "--json").json
    assert shown["status"] == "waiting-event"
    assert shown["pendingEvents"][0] | {"unfit": []} == {
        "nodeId": "deploy",
        "iteration": "0",
        "event": "deploy.completed",
        "correlationId": "pr-7",
        "output": "Deploy",
        "onTimeout": "fail",
        "unfit": [],
    }
    assert "smithers signal r1 deploy.completed" in waiting.call("inspect", "r1").out
    assert "waiting-event" in waiting.call("ps").out
    assert waiting.call("ps", "--status", "waiting-event", "--json").json["runs"][0]["step"] == "deploy"

    waiting.call(*DEPLOY)
    waiting.plan("r1")

    taken = waiting.call("inspect", "r1", "--json").json["signals"]
    assert taken[0]["takenBy"] == {"nodeId": "deploy", "iteration": "0"}
    types = [event["type"] for event in waiting.call("events", "r1", "--json").records]
    assert [one for one in types if one in ("NodeWaitingEvent", "SignalReceived", "NodeFinished")] == [
        "NodeWaitingEvent",
        "SignalReceived",
        "NodeFinished",
        "NodeWaitingEvent",
    ]
    assert waiting.call("output", "r1", "deploy", "--json").json == {"sha": "abc"}


def test_a_wait_whose_time_is_over_fails_in_the_events_and_may_be_retried(waiting: Stage):
    timer = waiting.command("r1", "deploy")
    data = {"n": timer.n, "node": "deploy", "iteration": ""}
    waiting.store.append(Append("r1", (Fact("fired", f"fired:{timer.n}", data, OpenCommand(timer.n)),)))
    waiting.plan("r1")

    failed = [event for event in waiting.call("events", "r1", "--json").records if event["type"] == "NodeFailed"]
    assert failed[0]["error"]["code"] == "EVENT_TIMEOUT"
    assert "no event 'deploy.completed'" in waiting.call("why", "r1").out
    assert waiting.call("retry-task", "r1", "deploy").status == 0
    waiting.plan("r1")
    assert waiting.store.run("r1").status == "waiting-event"
    assert waiting.command("r1", "deploy").n > timer.n
