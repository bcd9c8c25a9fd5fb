"""`retry-task` on the store: what is said, what is stored, and what is refused while others write."""

from __future__ import annotations

import pytest

from smithers.cli.retrying import retry
from smithers.engine.entry import Fact
from smithers.errors import WrongState
from smithers.store.records import Append, Appended
from tests.unit.cli.flows import polish, release
from tests.unit.cli.stage import Stage


@pytest.fixture
def waiting(stage: Stage) -> Stage:
    stage.start(release, "r1")
    stage.end("r1", "build", {"text": "first"})
    return stage


@pytest.mark.feature("cli.retrytask.run-id", "cli.retrytask.node-id", "cli.retrytask.clear")
@pytest.mark.parametrize(
    "words", [("r1", "build"), ("-r", "r1", "-n", "build"), ("--run-id", "r1", "build"), ("r1", "--node-id", "build")]
)
def test_a_finished_task_runs_again_with_what_began_after_it(waiting: Stage, words: tuple[str, ...]) -> None:
    answer = waiting.call("retry-task", *words, "--json")

    assert (answer.status, answer.json["resetNodes"]) == (0, ["build", "publish"])
    assert [waiting.store.node("r1", node).state for node in ("build", "publish")] == ["pending", "pending"]
    assert waiting.call("approve", "r1", "publish").status == 4
    assert waiting.call("output", "r1", "build").status == 4
    waiting.plan("r1")
    assert waiting.command("r1", "build").attempt == 2
    waiting.end("r1", "build", {"text": "second"})
    assert waiting.call("output", "r1", "build").json == {"text": "second"}
    assert waiting.store.run("r1").status == "waiting-approval"


@pytest.mark.feature("cli.retrytask.deps")
def test_a_person_is_told_what_runs_again(waiting: Stage) -> None:
    assert "build of r1 is to run again, and with it publish" in waiting.call("retry-task", "r1", "build").out


@pytest.mark.feature("cli.retrytask.no-deps")
def test_alone(waiting: Stage) -> None:
    assert waiting.call("retry-task", "r1", "build", "--no-deps", "--json").json["resetNodes"] == ["build"]
    assert waiting.call("approve", "r1", "publish").status == 0


@pytest.mark.feature("cli.retrytask.iteration")
@pytest.mark.parametrize(("words", "reset"), [((), ["1"]), (("--iteration", "0"), ["0", "1"])])
def test_of_a_loop_the_pass_that_was_named_runs_again_or_the_latest(
    stage: Stage, words: tuple[str, ...], reset: list[str]
) -> None:
    stage.start(polish, "r1")
    stage.end("r1", "review")
    stage.end("r1", "review", error="no")

    answer = stage.call("retry-task", "r1", "review", *words, "--json")

    assert (answer.status, answer.json["iteration"]) == (0, reset[0])
    assert answer.json["resetNodes"] == [f"review #{one}" for one in reset]
    stage.plan("r1")
    assert stage.command("r1", "review").iteration == reset[0]


@pytest.mark.feature("cli.retrytask.events", "tt.retrytask.events")
@pytest.mark.feature("event.RetryTaskStarted", "event.RetryTaskFinished")
def test_the_events_say_when_it_began_and_when_it_was_over(waiting: Stage) -> None:
    waiting.call("retry-task", "r1", "build", "--by", "bob")
    waiting.plan("r1")
    waiting.end("r1", "build")
    events = [e for e in waiting.call("events", "r1", "--json").records if e["type"].startswith("RetryTask")]
    assert [(e["type"], e["nodeId"]) for e in events] == [("RetryTaskStarted", "build"), ("RetryTaskFinished", "build")]
    assert (events[0]["by"], events[1]["state"], events[1]["success"]) == ("bob", "finished", True)
    assert [e["iteration"] for e in events] == ["0", "0"]
    assert [e["resetNodes"] for e in events] == [["build", "publish"]] * 2
    assert events[0]["resetDependents"] is True


@pytest.mark.feature("event.RetryTaskStarted", "event.RetryTaskFinished")
def test_the_events_say_that_it_ran_alone_and_that_it_failed(waiting: Stage) -> None:
    waiting.call("retry-task", "r1", "build", "--no-deps")
    waiting.plan("r1")
    waiting.end("r1", "build", error="no")

    begun, over = [e for e in waiting.call("events", "r1", "--json").records if e["type"].startswith("RetryTask")]

    assert (begun["resetNodes"], begun["resetDependents"]) == (["build"], False)
    assert (over["resetNodes"], over["state"], over["success"]) == (["build"], "failed", False)


@pytest.mark.feature("cli.global.exit4")
@pytest.mark.parametrize(
    ("words", "state"),
    [(("r1", "build"), "is finished"), (("r2", "build"), "it is running"), (("r2", "tag"), "it has not run yet")],
)
def test_wrong_targets_are_refused_with_the_state_found(stage: Stage, words: tuple[str, ...], state: str) -> None:
    stage.start(release, "r1")
    stage.end("r1", "build")
    stage.call("approve", "r1")
    stage.plan("r1")
    stage.end("r1", "tag")
    stage.start(release, "r2")
    refused = stage.call("retry-task", *words)
    assert refused.status == 4
    assert state in refused.err


def test_a_cancelled_run_and_an_unknown_node_are_refused(waiting: Stage) -> None:
    unknown = waiting.call("retry-task", "r1", "biuld")
    assert (unknown.status, "build" in unknown.err) == (4, True)
    waiting.call("cancel", "r1")
    waiting.plan("r1")
    refused = waiting.call("retry-task", "r1", "build")
    assert (refused.status, "is cancelled, which is final" in refused.err) == (4, True)


def test_a_run_that_is_being_cancelled_keeps_its_outputs(waiting: Stage) -> None:
    waiting.call("cancel", "r1", "--by", "bob")
    refused = waiting.call("retry-task", "r1", "build")
    assert (refused.status, "bob asked to cancel the run" in refused.err) == (4, True)
    assert waiting.call("output", "r1", "build").json == {"text": "first"}


@pytest.mark.feature("cli.global.exit4")
def test_a_question_that_was_reset_is_not_said_to_be_answered(waiting: Stage) -> None:
    waiting.call("approve", "r1", "publish")
    waiting.call("retry-task", "r1", "build")

    named, meant = waiting.call("approve", "r1", "publish", "--json"), waiting.call("approve", "r1", "--json")

    assert (named.status, named.error["code"], named.error["data"]["state"]) == (4, "WRONG_STATE", "pending")
    assert (meant.status, "was reset" in meant.error["message"]) == (4, True)


@pytest.mark.feature("cli.global.exit4")
@pytest.mark.parametrize("words", [(), ("r1",), ("r1", "build", "-n", "tag"), ("r1", "-r", "r2", "-n", "build")])
def test_a_half_or_double_name_is_wrong_use(waiting: Stage, words: tuple[str, ...]) -> None:
    assert waiting.call("retry-task", *words).status == 4


def test_what_others_write_meanwhile_is_read_before_it_is_stored(waiting: Stage) -> None:
    """The reset is stored only where it was read; somebody's answer in between is part of what it says."""
    store, append = waiting.store, waiting.store.append

    def signal_first(request: Append) -> Appended:
        if any(fact.kind == "retried" for fact in request.facts):
            store.append = append
            append(Append("r1", (Fact("signal", "signal:x:1", {"name": "x", "payload": None}),)))
        return append(request)

    store.append = signal_first
    retry(store, store.run("r1"), store.node("r1", "build"), "ann")
    assert [entry.kind for entry in store.entries("r1")][-2:] == ["signal", "retried"]


def test_a_run_that_never_stands_still_is_not_reset_blindly(waiting: Stage) -> None:
    store, append = waiting.store, waiting.store.append

    def signal_first(request: Append) -> Appended:
        seq = store.run("r1").head
        append(Append("r1", (Fact("signal", f"signal:x:{seq}", {"name": "x", "payload": None}),)))
        return append(request)

    store.append = signal_first
    with pytest.raises(WrongState, match="Pause it first: smithers pause r1"):
        retry(store, store.run("r1"), store.node("r1", "build"), "ann")
