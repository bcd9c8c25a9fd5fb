"""`amend` on the store: the workflow file is loaded, the input checked, the difference shown, the fact stored."""

from __future__ import annotations

from pathlib import Path

import pytest

from smithers.cli.amending import amend
from smithers.engine.entry import Fact
from smithers.errors import WrongState
from smithers.store.records import Append, Appended, NewRun
from smithers.worker.code import load
from tests.unit.cli.stage import Stage

pytestmark = pytest.mark.decision("0016")

FLOW = """
from pydantic import BaseModel
from smithers import Approval, Context, Sequence, Task, call, workflow


class Order(BaseModel):
    items: list[str]


class Out(BaseModel):
    name: str


def work(name: str) -> Out:
    return Out(name=name)


@workflow(input=Order)
def orders(ctx: Context[Order]):
    for name in ctx.input.items:
        if name == "bad":
            raise ValueError("no such item")
    return Sequence[[Task(name, output=Out)[call(work, name)] for name in ctx.input.items], Approval("ask")]
"""


@pytest.fixture
def waiting(stage: Stage, tmp_path: Path) -> Stage:
    path = tmp_path / "flow.py"
    path.write_text(FLOW)
    code = load(path)
    stage.workflows["r1"] = code.workflow
    stage.store.create_run(NewRun("r1", "orders", {"items": ["a"]}, code.digest, str(path)))
    stage.plan("r1")
    stage.end("r1", "a", {"name": "a"})
    return stage


def test_it_is_stored_and_shown_and_planned(waiting: Stage) -> None:
    answer = waiting.call("amend", "r1", "--input", '{"items": ["a", "b"]}', "--by", "bob", "--note", "more", "--json")

    assert (answer.status, answer.json["added"], answer.json["starts"]) == (0, ["b:"], ["b:"])
    assert waiting.store.entries_by_key("r1", "amended:")[0].data == {
        "input": {"items": ["a", "b"]},
        "by": "bob",
        "note": "more",
    }
    assert waiting.call("inspect", "r1", "--json").json["input"] == {"items": ["a", "b"]}
    events = [e for e in waiting.call("events", "r1", "--json").records if e["type"] == "RunInputAmended"]
    assert events[0]["by"] == "bob"
    waiting.plan("r1")
    assert waiting.command("r1", "b").attempt == 1
    assert waiting.call("output", "r1", "a").json == {"name": "a"}


def test_a_person_sees_what_changes_before_it_is_stored(waiting: Stage) -> None:
    told = waiting.call("amend", "r1", "--input", '{"items": ["b"]}', "--dry-run")

    assert (told.status, "would have" in told.out, "→ b (starts)" in told.out) == (0, True, True)
    assert waiting.store.entries_by_key("r1", "amended:") == []


@pytest.mark.parametrize(
    ("input", "words"),
    [
        ('{"items": 3}', "items"),
        ('{"itmes": []}', "did you mean 'items'"),
        ("[]", "JSON object"),
        ('{"items": ["bad"]}', "no such item"),
    ],
)
def test_what_does_not_fit_or_render_is_refused_and_nothing_is_stored(waiting: Stage, input: str, words: str) -> None:
    head = waiting.store.run("r1").head
    refused = waiting.call("amend", "r1", "--input", input)
    assert refused.status == 4
    assert words in refused.err
    assert waiting.store.run("r1").head == head


def test_a_run_that_is_over_is_refused_with_its_state(waiting: Stage) -> None:
    waiting.call("cancel", "r1")
    waiting.plan("r1")
    refused = waiting.call("amend", "r1", "--input", '{"items": []}', "--json")
    assert (refused.status, refused.error["data"]["status"]) == (4, "cancelled")


def test_a_file_that_has_changed_is_told(waiting: Stage) -> None:
    (waiting.root / "flow.py").write_text(FLOW + "\n# more\n")
    refused = waiting.call("amend", "r1", "--input", '{"items": []}', "--json")
    assert (refused.status, refused.error["code"]) == (4, "CODE_CHANGED")


def test_a_run_that_ends_meanwhile_keeps_its_input(waiting: Stage) -> None:
    store, append = waiting.store, waiting.store.append

    def cancel_first(request: Append) -> Appended:
        store.append = append
        append(Append("r1", (Fact("cancel", "cancel", {"by": "x", "reason": None}),)))
        waiting.plan("r1")
        return append(request)

    store.append = cancel_first
    with pytest.raises(WrongState, match="cannot be amended: it is cancelled"):
        amend(store, store.run("r1"), {"items": ["b"]}, ("ann", None))
    assert store.entries_by_key("r1", "amended:") == []


def test_a_task_runs_again_with_another_input(waiting: Stage) -> None:
    answer = waiting.call("retry-task", "r1", "a", "--input", '{"items": ["a", "b"]}', "--json")

    assert (answer.status, answer.json["resetNodes"]) == (0, ["a", "ask"])
    waiting.plan("r1")
    assert (waiting.command("r1", "a").attempt, waiting.store.node("r1", "b").state) == (2, "pending")
    assert waiting.call("inspect", "r1", "--json").json["input"] == {"items": ["a", "b"]}


def test_a_failed_run_goes_on_with_another_input(waiting: Stage) -> None:
    waiting.call("deny", "r1")
    waiting.plan("r1")
    assert waiting.store.run("r1").status == "failed"
    assert waiting.call("retry-task", "r1", "a", "--input", '{"items": ["b", "a"]}').status == 0
    waiting.plan("r1")
    assert waiting.command("r1", "b").attempt == 1


def test_input_that_does_not_fit_keeps_the_task_from_running_again(waiting: Stage) -> None:
    head = waiting.store.run("r1").head
    assert waiting.call("retry-task", "r1", "a", "--input", '{"items": ["bad"]}').status == 4
    assert waiting.call("retry-task", "r1", "a", "--input", '{"items": 1}').status == 4
    assert waiting.store.run("r1").head == head
