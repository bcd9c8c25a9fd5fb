"""Commands that only look: what they find, in both forms, and how little they need."""

from __future__ import annotations

import pytest

from smithers import Task, Workflow, workflow
from smithers.engine.entry import Fact
from smithers.errors import InvalidElement
from smithers.store.records import Append, LogLine
from smithers.views.times import now_ms
from tests.unit.cli.flows import Text, nap, polish, release
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


@pytest.mark.feature("resume.unfinished.find")
def test_ps_finds_runs_that_nobody_goes_on_with(waiting: Stage):
    waiting.start(release, "cut1")
    waiting.claim("cut1", "build")

    assert [run["runId"] for run in waiting.call("ps", "--status", "running", "--json").json["runs"]] == ["cut1"]


@pytest.mark.feature("cli.global.db-discovery")
def test_commands_about_runs_mean_the_nearest_project_upwards(waiting: Stage, monkeypatch: pytest.MonkeyPatch):
    below, nearer = waiting.root / "a" / "b", waiting.root / "c"
    below.mkdir(parents=True)
    (nearer / ".smithers").mkdir(parents=True)
    reading = [
        ("ps",),
        ("inspect",),
        ("logs",),
        ("events",),
        ("node", "build"),
        ("why",),
    ]
    operating = [("approve",), ("signal", "latest", "x"), ("supervise",), ("cancel",), ("down",), ("cron", "list")]

    monkeypatch.chdir(nearer)
    assert [waiting.call(*words).status for words in reading] == [4] * len(reading)
    monkeypatch.chdir(below)
    assert [waiting.call(*words).status for words in reading] == [0] * len(reading)
    assert waiting.call("inspect", "--json").json["runId"] == "abc1"
    assert [waiting.call(*words).status for words in operating] == [0, 0, 0, 2, 0, 0]
    assert not (below / ".smithers").exists()


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


@pytest.mark.feature("err.RUN_NOT_FOUND")
def test_an_unknown_run_is_wrong_use_and_names_near_ones(waiting: Stage):
    answer = waiting.call("why", "abd1")

    assert answer.status == 4
    assert "'abc1'" in answer.err
    error = waiting.call("why", "abd1", "--json").error
    assert (error["code"], error["data"]["run_id"]) == ("RUN_NOT_FOUND", "abd1")


@pytest.mark.feature("task.descriptor-id", "approvals.query")
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
    assert "smithers approve abc1 publish" in waiting.call("why").out


@pytest.mark.feature("cli.why.explain")
def test_why_of_a_failed_run_shows_the_stored_error_with_its_node(waiting: Stage):
    answer = waiting.call("why", "old1")

    assert "build failed: TASK_FAILED: the disk is full" in answer.out
    assert "smithers up --resume old1" in answer.out


@pytest.mark.feature("cli.why.explain")
def test_why_says_how_long_a_task_has_been_running_and_that_no_worker_lives(stage: Stage):
    stage.start(release, "r1")
    stage.claim("r1", "build")

    kinds = {reason["kind"]: reason for reason in stage.call("why", "--json").json["reasons"]}

    assert "has been running for" in kinds["task"]["text"]
    assert kinds["worker"]["command"] == "smithers up --resume r1"


@pytest.mark.feature("cli.why.explain")
def test_why_says_when_a_timer_fires(stage: Stage):
    stage.start(nap, "r1")

    reasons = {reason["kind"]: reason for reason in stage.call("why", "--json").json["reasons"]}

    assert "sleep waits for a time: it fires in 5" in reasons["timer"]["text"]


@pytest.mark.feature("cli.why.explain")
def test_why_says_that_code_does_not_render_and_how_to_go_on(stage: Stage):
    stage.start(release, "r1")
    data = {"covers": 1, "digest": "d", "error": {"code": "RENDER_ERROR", "message": "no tree", "where": "flow.py:3"}}
    stage.store.append(Append("r1", (Fact("render_failed", "render_failed:9:d", data),)))

    reasons = {reason["kind"]: reason for reason in stage.call("why", "--json").json["reasons"]}

    assert "no tree\nat flow.py:3" in reasons["code"]["text"]
    assert reasons["code"]["command"] == "smithers up --resume r1 --follow"


@pytest.mark.feature("cli.inspect.print")
def test_inspect_shows_the_last_nodes_and_all_on_request(waiting: Stage, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("smithers.cli.commands.inspect.MOST_NODES", 1)

    def shown(*options: str) -> list[bool]:
        out = waiting.call("inspect", *options).out.partition("NODE")[2].partition("\n\n")[0]
        return [f" {node} " in out for node in ("build", "publish", "tag")]

    assert shown() == [False, False, True]
    assert shown("--all") == [True, True, True]
    assert "2 nodes before these: --all" in waiting.call("inspect").err


@pytest.mark.feature("cli.why.explain")
def test_why_says_no_more_that_code_does_not_render_once_a_plan_was_made(stage: Stage):
    stage.start(release, "r1")
    data = {"covers": 1, "digest": "d", "error": {"code": "RENDER_ERROR", "message": "no tree"}}
    stage.store.append(Append("r1", (Fact("render_failed", "render_failed:9:d", data),)))

    stage.end("r1", "build")

    assert [reason["kind"] for reason in stage.call("why", "--json").json["reasons"]] == ["approval"]


@pytest.mark.feature("cli.why.json")
def test_why_of_a_finished_run_waits_for_nothing(stage: Stage):
    stage.start(polish, "r1")
    stage.end("r1", "review")
    stage.end("r1", "review", {"text": "good"})

    assert stage.call("why", "--json").json["reasons"] == []


@pytest.mark.feature("approvals.event")
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


@pytest.mark.feature("err.INVALID_EVENTS_OPTIONS", "cli.events.limit")
@pytest.mark.parametrize(
    "options",
    [("--since", "soon"), ("--type", "Nodes"), ("--limit", "0"), ("--limit", "100001"), ("--group-by=node", "-f")],
)
def test_events_refuse_options_that_mean_nothing(waiting: Stage, options: tuple[str, ...]):
    answer = waiting.call("events", *options, "--json")

    assert (answer.status, answer.error["code"]) == (4, "INVALID_EVENTS_OPTIONS")


@pytest.mark.feature("cli.events.type", "cli.events.limit", "cli.events.since")
def test_events_can_be_of_one_name_of_the_last_minutes_and_at_most_so_many(
    waiting: Stage, monkeypatch: pytest.MonkeyPatch
):
    started = waiting.call("events", "-t", "NodeStarted", "--json").records
    assert [(event["type"], event["nodeId"]) for event in started] == [("NodeStarted", "build")]
    assert len(waiting.call("events", "-t", "node", "-l", "2", "--json").records) == 2
    assert len(waiting.call("events", "--limit", "100000", "--since", "5m", "--json").records) > 5
    monkeypatch.setattr("smithers.cli.commands.events.now_ms", lambda: now_ms() + 600_000)
    assert waiting.call("events", "--since", "5m", "--json").records == []
    assert waiting.call("events", "--since", "20m", "--json").records


@pytest.mark.feature("cli.events.group-by")
def test_events_can_stand_under_their_node_or_attempt(waiting: Stage):
    groups = waiting.call("events", "old1", "--group-by", "node", "--json").json["groups"]
    assert [name for name in groups if name] == ["publish", "tag", "build"]
    assert [event["type"] for event in groups["publish"]] == ["NodePending"]
    assert groups[""][0]["type"] == "RunStarted"

    lines = waiting.call("events", "old1", "--group-by", "attempt").out.splitlines()
    assert lines[0] == "run old1"
    under = lines[lines.index("build attempt 1") + 1 :][:2]
    assert [line.split()[2] for line in under] == ["NodeStarted", "NodeFailed"]


@pytest.mark.feature("cli.events.watch", "cli.events.interval")
def test_events_are_followed_at_the_wanted_pace_until_the_run_is_over(waiting: Stage, monkeypatch: pytest.MonkeyPatch):
    waits: list[float] = []

    def meanwhile(seconds: float) -> None:
        waits.append(seconds)
        waiting.call("deny", "abc1")
        waiting.plan("abc1")

    monkeypatch.setattr("smithers.cli.watching.time.sleep", meanwhile)
    answer = waiting.call("events", "abc1", "--watch", "-i", "0.7", "-t", "run", "-t", "approval")

    assert waits == [0.7]
    assert answer.out.splitlines()[-1].split()[2] == "RunFailed"


def test_the_schema_of_events_needs_no_run(stage: Stage):
    titles = [one["title"] for one in stage.call("events", "--schema").json["anyOf"]]

    assert "NodeStarted" in titles
    assert not (stage.root / ".smithers").exists()


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


@pytest.mark.feature("cli.node.show", "cli.node.run-id")
def test_node_shows_attempts_error_and_lines(waiting: Stage):
    waiting.store.write_log_lines([LogLine("old1", "build", "", 1, 1, "stdout", "compiling")])

    document = waiting.call("node", "build", "-r", "old1", "--json").json

    assert document["state"] == "failed"
    assert [attempt["error"]["message"] for attempt in document["attempts"]] == ["the disk is full\nreally"]
    attempt = document["attempts"][0]
    assert (attempt["cached"], attempt["cachedFrom"], attempt["durationMs"]) == (False, None, 1200)
    assert attempt["startedAt"] <= attempt["endedAt"]
    assert [line["text"] for line in document["lines"]] == ["compiling"]


@pytest.mark.feature("cli.node.attempts")
def test_node_shows_the_last_attempt_or_on_request_all_with_their_workers(waiting: Stage):
    waiting.call("retry-task", "abc1", "build")
    waiting.plan("abc1")
    waiting.end("abc1", "build", {"text": "again"})

    last, every = waiting.call("node", "build"), waiting.call("node", "build", "--attempts")

    assert ("attempt 1" in last.out, "attempt 2" in last.out, "by me@1" in last.out) == (False, True, False)
    assert ("attempt 1" in every.out, "attempt 2" in every.out, every.out.count("by me@1")) == (True, True, 2)
    assert "cached" not in every.out


@pytest.mark.feature("err.NODE_NOT_FOUND")
def test_an_unknown_node_is_wrong_use_and_names_near_ones(waiting: Stage):
    error = waiting.call("node", "bild", "--json").error
    assert (error["code"], error["data"]["run_id"], error["data"]["node"]) == ("NODE_NOT_FOUND", "abc1", "bild")
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


@pytest.mark.feature("workflow.name")
def test_a_workflow_goes_by_its_name_wherever_its_runs_are_shown(stage: Stage):
    named = Workflow("ship-it", lambda ctx: Task("a", output=Text)[Text()], None)
    stage.start(named, "r1")

    shown = [stage.call(command, "r1", "--json").json for command in ("inspect", "why")]
    (listed,) = stage.call("ps", "--workflow", "ship-it", "--json").json["runs"]

    assert (stage.store.run("r1").workflow, listed["workflow"]) == ("ship-it", "ship-it")
    assert "ship-it" in str(shown[0])
    assert release.name == "release"
    with pytest.raises(InvalidElement, match="letters, digits, dots"):
        workflow(name="ship it!")(lambda ctx: None)


FLOW = """
from pydantic import BaseModel
from smithers import Approval, Sequence, Task, workflow

class Order(BaseModel):
    what: str = "it"

class Text(BaseModel):
    text: str = ""

def work():
    raise SystemExit("nothing runs")

@workflow(input=Order)
def release(ctx):
    def publish():
        return Approval("publish", title=f"Ship {ctx.input.what}: {ctx.output(Text, 'build').text}?")

    return Sequence[Task("build", output=Text)[work], publish, Task("tag", output=Text)[work]]
"""


@pytest.mark.feature("cli.graph.render", "render.cli", "cli.graph.input")
def test_graph_renders_a_file_with_an_input_and_runs_and_makes_nothing(stage: Stage):
    (stage.root / "flow.py").write_text(FLOW)

    shot = stage.call("graph", "flow.py", "--input", '{"what": "the fix"}', "--json").json

    assert (shot["id"], shot["frameNo"]) == ("release", 0)
    assert [one["nodeId"] for one in shot["tasks"]] == ["build", "tag"]
    assert shot["children"][0]["children"][1] == {"kind": "part", "id": "", "waits_for": "build", "children": []}
    assert "build [task -> Text]" in stage.call("graph", "flow.py").out
    assert stage.call("graph", "flow.py", "--input", '{"waht": 1}').status == 4
    assert not (stage.root / ".smithers").exists()


GROUPED = """
from pydantic import BaseModel
from smithers import Loop, Sequence, Task, TryCatchFinally, workflow

class Text(BaseModel):
    text: str = ""

@workflow
def polish(ctx):
    tasks = (Task(id, output=Text)[Text()] for id in ("review", "again"))
    return Sequence[
        Loop("rounds", until=lambda: False, max_iterations=3)[tasks],
        TryCatchFinally(id="safe", catch=Task("mend", output=Text)[Text()])[Task("risk", output=Text)[Text()]],
    ]
"""


@pytest.mark.feature("cli.graph.render")
def test_graph_shows_what_is_in_loops_and_blocks(stage: Stage):
    (stage.root / "flow.py").write_text(GROUPED)

    (sequence,) = stage.call("graph", "flow.py", "--json").json["children"]

    loop, block = sequence["children"]

    assert (loop["kind"], loop["id"], loop["max_iterations"]) == ("loop", "rounds", 3)
    assert [child["id"] for child in loop["children"]] == ["review", "again"]
    assert (block["kind"], block["id"]) == ("trycatchfinally", "safe")
    assert [child["id"] for child in block["children"]] == ["risk"]


@pytest.mark.feature("cli.graph.run-id", "cli.graph.input")
def test_graph_shows_a_run_with_its_outputs_and_another_input_on_request(waiting: Stage):
    (waiting.root / "flow.py").write_text(FLOW)

    def labels(*options: str) -> list[str]:
        shot = waiting.call("graph", "flow.py", "--run-id", "abc1", *options, "--json").json
        return [one["label"] for one in shot["tasks"]]

    assert labels() == ["", "Ship it: built?", ""]
    assert labels("--input", '{"what": "the fix"}') == ["", "Ship the fix: built?", ""]
    shot = waiting.call("graph", "flow.py", "-r", "abc1", "--json").json
    assert (shot["runId"], shot["frameNo"], shot["tasks"][1]["state"]) == ("abc1", 2, "waiting-approval")


@pytest.mark.feature("cli.ps.watch", "cli.ps.interval", "cli.inspect.watch", "cli.inspect.interval")
@pytest.mark.feature("cli.node.watch", "cli.node.interval")
@pytest.mark.parametrize(
    ("command", "key"),
    [(("ps", "-i"), "runs"), (("inspect", "-i"), "nodes"), (("node", "build", "--interval"), "state")],
)
def test_what_is_watched_is_shown_again_and_again_until_it_is_interrupted(
    waiting: Stage, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...], key: str
):
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) % 3 == 0:
            raise KeyboardInterrupt

    monkeypatch.setattr("smithers.cli.watching.time.sleep", sleep)
    answer = waiting.call(*command, "0.5", "--watch", "--json")
    waiting.call(*command[:-1], "-w")

    assert (answer.status, waits[:3]) == (130, [0.5, 0.5, 0.5])
    assert answer.out.count(f'\n  "{key}"') == 3
    assert waits[3:] == [2.0, 2.0, 2.0]


@pytest.mark.feature("cli.ps.all")
def test_ps_shows_runs_with_any_status_and_all_of_them_on_request(stage: Stage):
    for n in range(22):
        stage.start(nap, f"r{n}")
    stage.call("cancel", "r0")
    stage.plan("r0")

    assert len(stage.call("ps", "--json").json["runs"]) == 20
    every = stage.call("ps", "-a", "--json").json["runs"]
    assert len(every) == 22
    assert {run["status"] for run in every} == {"waiting-timer", "cancelled"}


@pytest.mark.feature("cli.logs.since")
def test_logs_go_on_behind_a_position(waiting: Stage):
    waiting.store.write_log_lines([LogLine("abc1", "build", "", 1, 1, "stdout", f"line {n}") for n in range(3)])
    first = waiting.call("logs", "--json").records[0]["seq"]

    later = waiting.call("logs", "--since", str(first), "--json").records

    assert [line["text"] for line in later] == ["line 1", "line 2"]


@pytest.mark.feature("plan.debug.artifacts")
def test_a_plan_can_be_looked_into_from_all_sides(waiting: Stage):
    (waiting.root / "flow.py").write_text(
        FLOW.replace('Task("tag", output=Text)', 'Task("tag", output=Text, depends_on=["build"])')
    )

    edges = {one["nodeId"]: one["dependsOn"] for one in waiting.call("graph", "flow.py", "--json").json["tasks"]}
    states = {one["nodeId"]: one["state"] for one in waiting.call("inspect", "--json").json["nodes"]}
    reasons = [one["nodeId"] for one in waiting.call("why", "--json").json["reasons"]]
    frames = waiting.call("events", "-t", "frame", "--json").records
    moves = [one["type"] for one in waiting.call("events", "-n", "build", "--json").records]

    assert edges == {"build": [], "tag": ["build"]}
    assert states == {"build": "finished", "publish": "waiting-approval", "tag": "pending"}
    assert reasons == ["publish"]
    assert [frame["frameNo"] for frame in frames] == [1, 2]
    assert moves == ["NodeStarted", "NodeFinished"]
