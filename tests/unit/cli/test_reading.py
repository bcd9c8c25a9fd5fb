"""Commands that only look: what they find, in both forms, and how little they need."""

from __future__ import annotations

import pytest

from smithers.engine.entry import Fact
from smithers.store.records import Append, LogLine
from tests.unit.cli.flows import nap, polish, release
from tests.unit.cli.stage import Stage


@pytest.fixture
def waiting(stage: Stage) -> Stage:
    """A run that waits for an approval, and an older one that failed."""
    stage.start(release, "old1")
    stage.end("old1", "build", error="the disk is full\nreally")
    stage.start(release, "abc1")
    stage.end("abc1", "build", {"text": "built"})
    return stage


@pytest.mark.feature("cli.global.db-missing")
@pytest.mark.parametrize("command", ["ps", "inspect", "why", "logs", "events", "output", "approve", "cancel"])
def test_reading_where_nothing_ran_is_wrong_use_and_makes_nothing(stage: Stage, command: str):
    answer = stage.call(command, "--format", "json")

    assert answer.status == 4
    assert answer.error["code"] == "STORE_MISSING"
    assert not (stage.root / ".smithers").exists()


@pytest.mark.feature("cli.ps.list")
def test_ps_lists_runs_newest_first_with_their_step(waiting: Stage):
    answer = waiting.call("ps", "--format", "json")

    assert answer.status == 0
    assert [(run["runId"], run["status"], run["step"]) for run in answer.json["runs"]] == [
        ("abc1", "waiting-approval", "publish"),
        ("old1", "failed", None),
    ]
    assert answer.json["more"] is False


@pytest.mark.feature("cli.ps.status", "cli.ps.limit")
def test_ps_filters_by_status_and_says_when_there_are_more(waiting: Stage):
    failed = waiting.call("ps", "-s", "failed", "--json")
    assert (failed.status, [run["runId"] for run in failed.json["runs"]]) == (0, ["old1"])
    assert waiting.call("ps", "--limit", "1", "--json").json["more"] is True
    assert waiting.call("ps", "--limit", "1").err.startswith("... and older ones")


def test_ps_refuses_a_status_that_does_not_exist_and_names_those_that_do(waiting: Stage):
    answer = waiting.call("ps", "--status", "done")

    assert answer.status == 4
    assert "finished" in answer.err


@pytest.mark.feature("cli.global.format")
def test_plain_tables_have_no_colours_when_they_are_not_for_a_terminal(waiting: Stage):
    for command in ("ps", "inspect", "why", "events"):
        assert "\x1b" not in waiting.call(command).out


def test_a_run_is_found_by_a_unique_beginning_and_as_latest(waiting: Stage):
    for wanted in ("abc1", "ab", "latest"):
        assert waiting.call("inspect", wanted, "--json").json["runId"] == "abc1"
    assert waiting.call("inspect", "--json").json["runId"] == "abc1"


def test_an_ambiguous_beginning_lists_the_runs(waiting: Stage):
    waiting.start(release, "abc2")

    answer = waiting.call("inspect", "abc", "--json")

    assert answer.status == 4
    assert sorted(answer.error["data"]["runs"]) == ["abc1", "abc2"]


def test_an_unknown_run_is_wrong_use_and_names_near_ones(waiting: Stage):
    answer = waiting.call("why", "abd1")

    assert answer.status == 4
    assert "'abc1'" in answer.err


@pytest.mark.feature("cli.inspect.print")
def test_inspect_shows_nodes_in_the_order_of_the_tree(waiting: Stage):
    document = waiting.call("inspect", "--json").json

    assert [(node["nodeId"], node["state"]) for node in document["nodes"]] == [
        ("build", "finished"),
        ("publish", "waiting-approval"),
        ("tag", "pending"),
    ]
    assert document["pendingApprovals"] == [
        {
            "nodeId": "publish",
            "iteration": "0",
            "title": "Ship it?",
            "summary": None,
            "mode": "approve",
            "metadata": {},
            "requestId": "human:abc1:publish:0",
        }
    ]


@pytest.mark.feature("cli.why.explain", "cli.why.json")
def test_why_names_the_command_that_unblocks(waiting: Stage):
    reasons = waiting.call("why", "--json").json["reasons"]

    assert [reason["kind"] for reason in reasons] == ["approval"]
    assert reasons[0]["command"] == "smithers approve abc1 publish"


def test_why_of_a_failed_run_shows_the_stored_error_with_its_node(waiting: Stage):
    answer = waiting.call("why", "old1")

    assert "build failed: TASK_FAILED: the disk is full" in answer.out
    assert "smithers up --resume old1" in answer.out


def test_why_says_how_long_a_task_has_been_running_and_that_no_worker_lives(stage: Stage):
    stage.start(release, "r1")
    stage.claim("r1", "build")

    kinds = {reason["kind"]: reason for reason in stage.call("why", "--json").json["reasons"]}

    assert "has been running for" in kinds["task"]["text"]
    assert kinds["worker"]["command"] == "smithers up --resume r1"


def test_why_says_when_a_timer_fires(stage: Stage):
    stage.start(nap, "r1")

    reasons = {reason["kind"]: reason for reason in stage.call("why", "--json").json["reasons"]}

    assert "sleep fires in 5" in reasons["timer"]["text"]


def test_why_says_that_code_does_not_render_and_how_to_go_on(stage: Stage):
    stage.start(release, "r1")
    data = {"covers": 1, "digest": "d", "error": {"code": "RENDER_ERROR", "message": "no tree", "where": "flow.py:3"}}
    stage.store.append(Append("r1", (Fact("render_failed", "render_failed:9:d", data),)))

    reasons = {reason["kind"]: reason for reason in stage.call("why", "--json").json["reasons"]}

    assert "no tree\nat flow.py:3" in reasons["code"]["text"]
    assert reasons["code"]["command"] == "smithers up --resume r1 --follow"


def test_why_of_a_finished_run_waits_for_nothing(stage: Stage):
    stage.start(polish, "r1")
    stage.end("r1", "review")
    stage.end("r1", "review", {"text": "good"})

    assert stage.call("why", "--json").json["reasons"] == []


@pytest.mark.feature("cli.events.query", "cli.events.json")
def test_events_are_typed_and_one_per_line(waiting: Stage):
    types = [event["type"] for event in waiting.call("events", "--json").records]

    assert types[0] == "RunStarted"
    assert types[-1] == "RunStatusChanged"
    assert "NodeStarted" in types
    assert "ApprovalRequested" in types


@pytest.mark.feature("cli.events.node", "cli.events.type")
def test_events_can_be_of_one_node_or_kind_and_from_a_position(waiting: Stage):
    assert {event["nodeId"] for event in waiting.call("events", "-n", "build", "--json").records} == {"build"}
    assert {event["type"] for event in waiting.call("events", "-t", "approval", "--json").records} == {
        "ApprovalRequested"
    }
    assert all(event["seq"] > 3 for event in waiting.call("events", "--since", "#3", "--json").records)


@pytest.mark.parametrize("option", [("--since", "soon"), ("--type", "voice"), ("--limit", "0")])
def test_events_refuse_options_that_mean_nothing(waiting: Stage, option: tuple[str, str]):
    assert waiting.call("events", *option).status == 4


def test_output_is_json_by_node_or_of_one_node(waiting: Stage):
    assert waiting.call("output").json == {"build": {"text": "built"}}
    assert waiting.call("output", "abc1", "build").json == {"text": "built"}
    assert waiting.call("output", "abc1", "tag").status == 4


@pytest.mark.feature("cli.node.iteration")
def test_output_of_a_node_in_a_loop_is_that_of_the_latest_pass(stage: Stage):
    stage.start(polish, "r1")
    stage.end("r1", "review", {"text": "first"})
    stage.end("r1", "review", {"text": "second"})

    assert stage.call("output", "r1", "review").json == {"text": "second"}
    assert stage.call("output", "r1", "review", "--iteration", "0").json == {"text": "first"}
    assert stage.call("output").json == {"review": {"text": "second"}}


@pytest.mark.feature("cli.node.show", "cli.node.run-id", "cli.node.attempts")
def test_node_shows_attempts_error_and_lines(waiting: Stage):
    waiting.store.write_log_lines([LogLine("old1", "build", "", 1, 1, "stdout", "compiling")])

    document = waiting.call("node", "build", "-r", "old1", "--json").json

    assert document["state"] == "failed"
    assert [attempt["error"]["message"] for attempt in document["attempts"]] == ["the disk is full\nreally"]
    assert [line["text"] for line in document["lines"]] == ["compiling"]


def test_an_unknown_node_is_wrong_use_and_names_near_ones(waiting: Stage):
    answer = waiting.call("node", "bild")

    assert answer.status == 4
    assert "'build'" in answer.err


@pytest.mark.feature("cli.logs.tail")
def test_logs_show_lines_in_order_and_only_those_asked_for(waiting: Stage):
    lines = [LogLine("abc1", node, "", 1, 1, "stdout", f"{node} {n}") for n in range(3) for node in ("build", "tag")]
    waiting.store.write_log_lines(lines)

    assert [line["text"] for line in waiting.call("logs", "--node", "build", "--json").records] == [
        "build 0",
        "build 1",
        "build 2",
    ]
    assert len(waiting.call("logs", "--tail", "2", "--json").records) == 2


def test_logs_of_an_unknown_run_or_node_are_wrong_use(waiting: Stage):
    assert waiting.call("logs", "nosuch").status == 4
    assert waiting.call("logs", "abc1", "--node", "nosuch").status == 4
