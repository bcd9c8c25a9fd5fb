"""Runs that have continued as new: what people see of them, and what they are told to do instead."""

from __future__ import annotations

import asyncio

import pytest

from smithers import Approval, Child, Context, ContinueAsNew, Sequence, Subflow, Task, workflow
from smithers.api.handle import RunHandle
from smithers.api.result import Result
from smithers.cli.status import exit_status
from smithers.cli.up.keys import Dialogue
from smithers.cli.up.lines import PlainScreen
from smithers.cli.up.live import head
from smithers.cli.up.viewer import Viewer
from smithers.engine.state import FINAL
from smithers.errors import WrongState
from smithers.project import Project
from smithers.store.records import Launch, LogLine
from smithers.temporal.subflows import new_child
from smithers.views.children import seen_status, waits_for_people
from smithers.views.model import RunModel, Seen
from smithers.views.nodes import COLOURS, SYMBOLS
from smithers.worker.configuration import Configuration
from smithers.worker.order import Order
from smithers.worker.prepare import Prepared, resumed
from smithers.worker.scheduling import Scheduler
from tests.unit.cli.flows import Text, work
from tests.unit.cli.stage import Stage
from tests.unit.cli.test_refusals import ABOUT_A_RUN, about, refusal
from tests.unit.cli.test_viewing import followed


@workflow
def paged(ctx: Context[None]) -> Child:
    """The third run asks somebody."""
    read = Task("read", output=Text)[work]
    return Sequence[read, ContinueAsNew({"page": 1}) if ctx.generation < 2 else Approval("check")]


@workflow
def above(ctx: Context[None]) -> Child:
    return Subflow("part", workflow=paged, output=Text)


def go_on(stage: Stage, run_id: str, next_id: str) -> None:
    """Has a run continue as new, and plans the first frame of the one that goes on."""
    stage.end(run_id, "read")
    assert stage.store.run(run_id).status == "continued"
    stage.workflows[next_id] = paged
    stage.plan(next_id)


@pytest.fixture
def chain(stage: Stage) -> Stage:
    """Three runs, of which the last one waits for a person."""
    stage.start(paged, "r1")
    go_on(stage, "r1", "r1.g1")
    go_on(stage, "r1.g1", "r1.g2")
    stage.end("r1.g2", "read")
    return stage


def finish(stage: Stage) -> None:
    assert stage.call("approve", "r1.g2", "check").status == 0
    stage.plan("r1.g2")


def finish_meanwhile(stage: Stage) -> None:
    """Within another command, whose output stays what it is."""
    before = stage.capsys.readouterr().out
    finish(stage)
    stage.capsys.readouterr()
    print(before, end="")


def test_every_status_of_a_run_that_is_over_can_be_shown_and_pruned(chain: Stage) -> None:
    assert SYMBOLS.keys() >= FINAL
    assert COLOURS.keys() >= FINAL
    assert set(Configuration().retention.statuses) == FINAL
    model, _ = followed(chain, "r1")
    assert model.is_over
    assert head(model).plain.startswith("↪ paged  r1  continued")
    assert exit_status("continued") == 0
    for status in FINAL:
        assert chain.call("ps", "--status", status).status == 0
    assert [run["runId"] for run in chain.call("ps", "--status", "continued", "--json").json["runs"]] == ["r1.g1", "r1"]


@pytest.mark.parametrize("command", ["inspect", "why", "events", "logs", "node"])
def test_every_look_at_such_a_run_works(chain: Stage, command: str) -> None:
    words = ("node", "read", "--run-id", "r1") if command == "node" else (command, "r1")
    for form in ("plain", "json"):
        answer = chain.call(*words, "--format", form)
        assert answer.status == 0, answer.err


@pytest.mark.feature("continueasnew.identity")
def test_inspect_links_the_runs_of_a_chain(chain: Stage) -> None:
    first, second, third = (chain.call("inspect", one, "--json").json for one in ("r1", "r1.g1", "r1.g2"))

    links = [(one["continues"], one["continuedAs"], one["generation"]) for one in (first, second, third)]
    assert links == [(None, "r1.g1", 0), ("r1", "r1.g2", 1), ("r1.g1", None, 2)]
    text = chain.call("inspect", "r1.g1").out
    assert "continues r1  (generation 1 of r1)" in text
    assert "goes on   as r1.g2" in text
    assert "goes on" not in chain.call("inspect", "r1.g2").out


@pytest.mark.feature("continueasnew.event")
def test_events_tell_of_the_run_that_goes_on(chain: Stage) -> None:
    told = [one for one in chain.call("events", "r1", "--json").records if one["type"] == "RunContinuedAsNew"]

    assert [one["newRunId"] for one in told] == ["r1.g1"]
    assert "↪ RunContinuedAsNew newRunId=r1.g1" in chain.call("events", "r1").out


@pytest.mark.feature("cli.events.watch")
@pytest.mark.decision("0032")
@pytest.mark.parametrize("since", [(), ("--since", "#3")], ids=["from the beginning", "from a position"])
def test_events_are_followed_into_the_runs_that_go_on(
    chain: Stage, monkeypatch: pytest.MonkeyPatch, since: tuple[str, ...]
) -> None:
    monkeypatch.setattr("smithers.cli.watching.time.sleep", lambda _: finish_meanwhile(chain))
    told = chain.call("events", "r1", "--follow", "--json", *since).records

    assert list(dict.fromkeys(one["runId"] for one in told)) == ["r1", "r1.g1", "r1.g2"]
    assert ["RunStarted" in {one["type"] for one in told if one["runId"] == run} for run in ("r1.g1", "r1.g2")] == [
        True
    ] * 2
    assert (told[-1]["type"], told[-1]["runId"]) == ("RunFinished", "r1.g2")


def test_lines_of_tasks_are_followed_into_the_runs_that_go_on(chain: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    written = [LogLine(run, "read", "", 1, 0, "stdout", f"of {run}") for run in ("r1", "r1.g2")]
    chain.store.write_log_lines(written)
    monkeypatch.setattr("smithers.cli.watching.time.sleep", lambda _: finish_meanwhile(chain))

    assert [line.partition("| ")[2] for line in chain.call("logs", "r1", "--follow").out.splitlines()] == [
        "of r1",
        "of r1.g2",
    ]
    chain.call("delete", "r1.g1", "r1.g2", "--yes")
    assert [line.partition("| ")[2] for line in chain.call("logs", "r1", "--follow").out.splitlines()] == ["of r1"]


def test_why_says_which_run_goes_on(chain: Stage) -> None:
    why = chain.call("why", "r1", "--json").json

    assert (why["status"], why["reasons"]) == ("continued", [])
    assert "as r1.g2: `smithers why r1.g2`" in why["summary"]


@pytest.mark.parametrize("words", [*ABOUT_A_RUN, ("follow",)], ids=" ".join)
@pytest.mark.feature("continueasnew.identity")
def test_what_such_a_run_takes_no_more_is_for_the_last_one_that_goes_on(chain: Stage, words: tuple[str, ...]) -> None:
    words = ("retry-task", "read") if words[0] == "retry-task" else words
    if words[0] == "up":
        with pytest.raises(WrongState) as refused:
            resumed(Project(chain.root), Order(str(chain.root), run_id="r1", resume=True))
        said = str(refused.value)
    else:
        said = refusal(chain, *about(words, "r1"))

    assert "it has continued as new" in said
    command = {"up": "up --resume", "approve": "human inbox --run-id", "deny": "human inbox --run-id"}
    command |= {"human": command["deny"]}
    assert f"as r1.g2: `smithers {command.get(words[0], words[0])} r1.g2" in said


def test_an_approval_that_is_named_is_for_the_last_one_too(chain: Stage) -> None:
    assert "`smithers human inbox --run-id r1.g2`" in refusal(chain, "approve", "r1", "check")


def test_where_the_last_one_has_ended_that_is_said_and_where_it_is_deleted(chain: Stage) -> None:
    finish(chain)
    assert "as r1.g2, which is finished: `smithers cancel r1.g2`" in refusal(chain, "cancel", "r1")
    assert chain.call("delete", "r1.g1", "r1.g2", "--yes").status == 0
    assert "the runs that went on for it are deleted" in refusal(chain, "cancel", "r1")


def test_a_viewer_is_told_and_goes_on_with_the_next_run(chain: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    model, lines = followed(chain, "r1")
    assert lines[-1] == "↪ continues as r1.g1"
    assert model.goes_on_as == "r1.g1"

    viewer = object.__new__(Viewer)
    viewer.order, viewer.dialogue = Order("", run_id="r1"), Dialogue(decided={("check", "", 1)})
    viewer.screen = PlainScreen()
    viewer.go_on(chain.store, model)

    assert viewer.model is not None
    assert (viewer.model.run_id, viewer.order.run_id) == ("r1.g1", "r1.g1")
    assert "▶ paged r1.g1" in capsys.readouterr().err
    assert viewer.dialogue.look([Seen("check", "", "waiting-approval")]) is not None, "it is another question"


def test_a_viewer_leaves_where_the_next_run_is_deleted(chain: Stage) -> None:
    finish(chain)
    assert chain.call("delete", "r1.g1", "--yes").status == 0
    viewer = object.__new__(Viewer)
    before = RunModel("r1", "paged", 0, goes_on_as="r1.g1")

    viewer.go_on(chain.store, before)

    assert before.goes_on_as == ""


def test_a_process_that_is_started_again_goes_on_with_the_last_run(chain: Stage) -> None:
    finish(chain)

    prepared = resumed(Project(chain.root), Order(str(chain.root), run_id="r1", resume=True, onward=True))

    assert (prepared.run_id, prepared.code) == ("r1.g2", None)


@pytest.mark.feature("continueasnew.identity")
def test_a_program_follows_a_chain_and_speaks_with_its_last_run(chain: Stage) -> None:
    handle = RunHandle(Project(chain.root), Prepared("r1", "paged", 0, 0, None))
    types: list[str] = []

    async def use() -> Result:
        async with handle:
            waits = await handle.result(on_event=lambda event: types.append(event.type))
            assert (waits.run_id, waits.status, await handle.status()) == ("r1.g2", "waiting-approval", waits.status)
            await handle.approve()
            chain.plan("r1.g2")
            return await handle.result(on_event=lambda event: types.append(event.type))

    result = asyncio.run(use())

    assert (result.run_id, result.status, handle.run_id) == ("r1.g2", "finished", "r1")
    assert (types.count("RunContinuedAsNew"), types.count("RunFinished"), types.count("RunStarted")) == (2, 1, 3)


def test_a_schedule_waits_for_the_last_run(chain: Stage) -> None:
    scheduler = Scheduler(Project(chain.root), chain.store, lambda code: None)
    assert not scheduler.is_over("r1")
    finish(chain)
    assert scheduler.is_over("r1")


@pytest.mark.feature("subflow.lineage")
def test_of_a_childs_chain_the_run_above_waits_for_what_the_last_one_does(stage: Stage) -> None:
    stage.start(above, "top")
    command = stage.store.command("top", stage.command("top", "part").n)[0].command
    stage.store.launch(Launch(new_child(stage.store.run("top"), command), command, 1, "", {"worker": "me@1"}))
    stage.workflows["top.part.1"] = paged
    stage.plan("top.part.1")
    go_on(stage, "top.part.1", "top.part.1.g1")
    go_on(stage, "top.part.1.g1", "top.part.1.g2")
    stage.end("top.part.1.g2", "read")

    run = stage.store.run("top")
    assert seen_status(stage.store, run) == "waiting-approval"
    assert waits_for_people(stage.store, run)
    reasons = stage.call("why", "top", "--json").json["reasons"]
    assert {one["runId"] for one in reasons if "runId" in one} == {"top.part.1.g2"}
    assert stage.call("ps", "--json").json["runs"][-1]["step"] == "part > check"
    inbox = stage.call("human", "inbox", "--run-id", "top", "--json").json["requests"]
    assert [(one["runId"], one["nodeId"]) for one in inbox] == [("top.part.1.g2", "check")]
    below = {one["runId"]: one["status"] for one in stage.call("inspect", "top", "--json").json["children"]}
    assert below == {"top.part.1": "continued", "top.part.1.g1": "continued", "top.part.1.g2": "waiting-approval"}
