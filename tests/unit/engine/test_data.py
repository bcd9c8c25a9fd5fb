"""What is kept of a run, and what can be made from it again."""

from __future__ import annotations

import pytest
from pydantic import BaseModel, field_validator

from smithers import Child, Context, Loop, Parallel, Sequence, Task, Turn, Workflow, call
from smithers.engine.entry import node_key
from smithers.engine.fold import fold
from smithers.engine.state import State
from smithers.testing import InMemoryRun
from tests.unit.engine.by_hand import at_work, number, start


class Out(BaseModel):
    n: int = 0
    good: bool = False


class Wider(BaseModel):
    """The same output after an edit: a field more, and one less."""

    n: int = 0
    unit: str = "m"


def work() -> Out:
    return Out()


def task(id: str) -> Task[Out]:
    return Task(id, output=Out)[work]


@pytest.mark.feature("data.shared.table")
def test_tasks_of_one_model_are_told_apart_by_their_ids() -> None:
    run = start(Parallel[task("a"), task("b")])
    run.finish(number(run, "b"), Out(n=2))
    run.finish(number(run, "a"), Out(n=1))

    assert [run.output(Out, node).n for node in ("a", "b")] == [1, 2]


@pytest.mark.feature("data.identity")
def test_an_output_belongs_to_a_run_a_node_and_an_iteration() -> None:
    def twice(turn: Turn) -> Child:
        return task("step")

    runs = [start(Loop("again", until=lambda: False, max_iterations=2)[twice]) for _ in range(2)]
    for k, run in enumerate(runs):
        for n in range(2):
            run.finish(number(run, "step"), Out(n=10 * k + n))

    assert [[run.output(Out, "step", i).n for i in ("0", "1")] for run in runs] == [[0, 1], [10, 11]]


@pytest.mark.feature("data.three")
def test_input_outputs_and_what_is_known_of_nodes_are_kept_apart() -> None:
    def flow(ctx: Context[Out]) -> Child:
        return Sequence[task("a"), Task("b", output=Out)[call(given, ctx.input.n)]]

    run = InMemoryRun(Workflow("apart", flow, Out), {"n": 7})
    run.finish(number(run, "a"), Out(n=1, good=True))

    outputs = [entry.data["output"] for entry in run.log if entry.kind == "ended"]
    assert run.log[0].data["input"] == {"n": 7, "good": False}
    assert outputs == [{"n": 1, "good": True}]
    assert [row.state for row in run.nodes.values() if row.node == "a"] == ["finished"]
    assert fold(State(run_id=run.run_id), run.log).input["n"] == 7


def given(n: int) -> Out:
    return Out(n=n)


@pytest.mark.feature("data.snapshot.load", "data.t.events")
def test_what_a_render_reads_is_made_again_from_the_log_alone() -> None:
    """Also truth values: they are not numbers afterwards."""
    seen: list[Out | None] = []

    def flow(ctx: Context[dict[str, int]]) -> Child:
        def after() -> Child:
            seen.append(ctx.output(Out, "a"))
            return task("b")

        return Sequence[task("a"), after]

    run = InMemoryRun(Workflow("again", flow, None), rebuild=True)
    run.finish(number(run, "a"), Out(n=1, good=True))

    assert at_work(run) == ["b"]
    assert seen[-1] == Out(n=1, good=True)
    assert seen[-1] is not None
    assert seen[-1].good is True
    assert all(isinstance(entry.at_ms, int) and entry.kind for entry in run.log)


@pytest.mark.feature("data.migrate.add", "data.migrate.keep")
def test_an_output_is_read_with_the_model_as_it_is_now() -> None:
    """A field that the model has since has its default; one that it has no more stays in the log."""
    seen: list[Wider] = []

    def before(ctx: Context[dict[str, int]]) -> Child:
        return Sequence[task("a"), task("b")]

    def later(ctx: Context[dict[str, int]]) -> Child:
        def after() -> Child:
            seen.append(ctx.output(Wider, "a"))
            return task("c")

        return Sequence[Task("a", output=Wider)[widened], task("b"), after]

    run = InMemoryRun(Workflow("edited", before, None), rebuild=True)
    run.finish(number(run, "a"), Out(n=3, good=True))
    run.workflow = Workflow("edited", later, None)
    run.finish(number(run, "b"), Out())

    assert seen[-1] == Wider(n=3, unit="m")
    assert {"n": 3, "good": True} in [entry.data.get("output") for entry in run.log]


@pytest.mark.feature("ctx.output")
def test_an_output_is_validated_when_it_is_read_first_and_again_only_where_it_was_changed() -> None:
    class Counted(BaseModel):
        n: int = 0

        @field_validator("n")
        @classmethod
        def seen(cls, value: int) -> int:
            times.append(value)
            return value

    times: list[int] = []
    read: list[int] = []

    def tree(ctx: Context[dict[str, int]]) -> Child:
        def after() -> Child:
            before = len(times)
            found = [ctx.output(Counted, "a") for _ in range(5)]
            read.append(len(times) - before)
            found[-1].n = 9
            assert ctx.output(Counted, "a").n == 3
            return task("c")

        return Sequence[Task("a", output=Counted)[Counted], after]

    run = start(tree)
    run.finish(number(run, "a"), Out(n=3))

    assert sum(read) == 2, "once to hand out, and once to see whether that was changed"
    assert at_work(run) == ["c"]


def widened() -> Wider:
    return Wider()


@pytest.mark.feature("data.frame.read", "dflow.frames", "dflow.cursor")
def test_the_state_at_every_frame_can_be_made_again() -> None:
    run = start(Sequence[task("a"), task("b")])
    shown = [{row.node for row in run.nodes.values()}]
    for node in ("a", "b"):
        run.finish(number(run, node), Out())
        shown.append({row.node for row in run.nodes.values()})

    frames = [entry.seq for entry in run.log if entry.kind == "frame"]
    again = [fold(State(run_id="test"), run.log[:seq]).nodes for seq in frames]
    assert [{key for key, memory in nodes.items() if memory.has_output} for nodes in again] == [
        set(),
        {node_key("a", "")},
        {node_key("a", ""), node_key("b", "")},
    ]
    assert shown[0] == shown[1] == shown[2] == {"a", "b"}


@pytest.mark.feature("dflow.reactive")
def test_what_an_output_says_adds_tasks() -> None:
    def flow(ctx: Context[dict[str, int]]) -> Child:
        def more() -> Child:
            return Parallel[[task(f"t{i}") for i in range(ctx.output(Out, "a").n)]]

        return Sequence[task("a"), more]

    run = start(flow)
    assert at_work(run) == ["a"]

    run.finish(number(run, "a"), Out(n=3))

    assert at_work(run) == ["t0", "t1", "t2"]
