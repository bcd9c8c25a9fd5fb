"""Subflows: a workflow as a node of another one, inline and as a run of its own."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, Field

from smithers import (
    Approval,
    Child,
    Context,
    Parallel,
    Sequence,
    Subflow,
    Task,
    Timer,
    TryCatchFinally,
    Workflow,
    call,
    workflow,
)
from smithers.testing import simulate


class Out(BaseModel):
    n: int = 0


class Big(BaseModel):
    n: int = Field(ge=100)


class Topic(BaseModel):
    name: str
    times: int = 1


class Note(BaseModel):
    text: str


def work(n: int = 0) -> Out:
    return Out(n=n)


def note(text: str) -> Note:
    return Note(text=text)


def task(id: str, n: int = 0, **props: Any) -> Task[Out]:
    return Task(id, output=Out, **props)[call(work, n)]


@workflow(input=Topic)
def research(ctx: Context[Topic]) -> Child:
    def write() -> Child:
        found = ctx.output(Out, "find")
        return Task("write", output=Note)[call(note, f"{ctx.input.name} {found.n}")]

    return Sequence[Task("find", output=Out)[call(work, ctx.input.times)], write]


@workflow
def asking(ctx: Context[Any]) -> Child:
    return Sequence[Approval("ask", title="Go on?"), task("done", 7)]


@workflow
def cleaning(ctx: Context[Any]) -> Child:
    return TryCatchFinally(id="block", finally_=task("clean", 1))[task("first", 1), Timer("wait", duration="1h")]


@workflow
def bare(ctx: Context[Any]) -> Child:
    return Timer("wait", duration="1h")


@workflow
def endless(ctx: Context[Any]) -> Child:
    return Subflow("again", workflow=endless, output=Out)


@workflow
def endless_inline(ctx: Context[Any]) -> Child:
    return Subflow("again", workflow=endless_inline, output=Out, mode="inline")


def about(text: str, **props: Any) -> Subflow[Note]:
    return Subflow("research", workflow=research, output=Note, input={"name": text, "times": 3}, **props)


MODES = pytest.mark.parametrize("mode", ["child_run", "inline"])


@MODES
@pytest.mark.feature("subflow.id", "subflow.workflow", "subflow.input", "subflow.output")
def test_the_childs_last_output_is_the_nodes(run: Any, mode: str) -> None:
    def tree(ctx: Context[Any]) -> Child:
        def after() -> Child:
            return task("after", len(ctx.output(Note, "research").text))

        return Sequence[about("bees", mode=mode), after]

    ended = run(tree)

    assert ended.status == "finished"
    assert ended.output(Note, "research") == Note(text="bees 3")
    assert ended.output(Out, "after") == Out(n=6)


@pytest.mark.feature("subflow.mode.inline", "subflow.schedule")
def test_inline_nodes_stand_in_the_parents_tree_with_the_subflows_id_before_theirs(rebuild: bool) -> None:
    ended = simulate_tree(Parallel[about("bees", mode="inline"), task("find", 1)], rebuild=rebuild)

    assert ended.started == ["research.find", "find", "research.write"]
    assert ended.output(Out, "research.find").n == 3
    assert ended.output(Out, "find").n == 1
    assert not ended.children


@pytest.mark.feature("subflow.mode.childRun", "subflow.schedule")
def test_a_child_run_is_one_node_of_its_parent(rebuild: bool) -> None:
    ended = simulate_tree(about("bees"), rebuild=rebuild)

    assert list(ended.run.nodes) == ["research:"]
    assert [(command.kind, command.node) for plan in ended.run.plans for command in plan.commands] == [
        ("subflow", "research"),
        ("complete", ""),
    ]
    child = ended.child("research")
    assert child.run.run_id == "test.research.1"
    assert child.output(Note, "write") == Note(text="bees 3")
    assert ended.started == ["research", "research.find", "research.write"]


def simulate_tree(tree: Any, **more: Any) -> Any:
    function = tree if callable(tree) else lambda ctx: tree
    return simulate(Workflow("parent", function, None), **more)
