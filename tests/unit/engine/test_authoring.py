"""What an author may write: how trees are made of values, functions and data, and what functions may read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import FrozenInstanceError
from typing import Any, cast

import pytest
from pydantic import BaseModel

from smithers import Branch, Child, Context, Loop, Parallel, Sequence, Task, Workflow, call, use_context, workflow
from smithers.errors import InvalidElement, RenderError
from smithers.testing import fails, simulate
from tests.unit.engine.by_hand import at_work, number, start


class Out(BaseModel):
    n: int = 0


class Files(BaseModel):
    names: list[str]


def work(n: int = 0) -> Out:
    return Out(n=n)


def task(id: str, **props: Any) -> Task[Out]:
    return Task(id, output=Out, **props)[work]


@pytest.mark.feature("author.smithers", "author.workflow.name")
def test_a_function_becomes_a_workflow_with_a_name() -> None:
    @workflow
    def ship_it(ctx: Context[Any]) -> Child:
        return task("a")

    @workflow(name="Other.name")
    def other(ctx: Context[Any]) -> Child:
        return task("a")

    assert (ship_it.name, other.name) == ("ship-it", "Other.name")
    assert simulate(ship_it).status == "finished"
    with pytest.raises(InvalidElement, match="letters, digits"):
        workflow(name="no name")(lambda ctx: None)


@pytest.mark.feature("author.pure.state")
def test_elements_are_values_that_nobody_changes() -> None:
    a = task("a")
    group = Sequence[a]

    with pytest.raises(FrozenInstanceError):
        cast("Any", a).retries = 0
    assert Sequence[group, task("b")].children[0] == group
    assert len(group.children) == 1


@pytest.mark.feature("ctx.nosharedstate")
def test_what_a_function_changes_in_an_output_it_has_read_nobody_else_sees(rebuild: bool) -> None:
    seen: list[list[str]] = []

    def make(ctx: Context[Any]) -> Child:
        def greedy() -> Child:
            names = ctx.output(Files, "files").names
            seen.append(list(names))
            names.append("mine")
            return task(f"greedy-{ctx.iteration_count('b')}")

        return Sequence[Task("files", output=Files)[Files(names=["a"])], Parallel[greedy, task("b")]]

    run = start(make, rebuild)
    run.finish(number(run, "files"), Files(names=["a"]))
    run.finish(number(run, "b"), Out())

    assert len(seen) > 1
    assert all(names == ["a"] for names in seen)
    assert run.output(Files, "files").names == ["a"]


@pytest.mark.feature("author.fragment", "sched.limit.seqtop")
def test_several_nodes_may_be_returned_without_a_wrapper_and_run_one_after_another(run: Any) -> None:
    ended = run(lambda ctx: [task("a"), [task("b"), None]])

    assert ended.started == ["a", "b"]


@pytest.mark.feature("author.compose", "author.compose.slot", "author.compose.spread", "author.compose.hoc")
def test_parts_of_trees_are_packaged_as_functions(run: Any) -> None:
    def careful(make: Callable[..., Task[Out]]) -> Callable[..., Task[Out]]:
        return lambda name, **props: make(name, **({"retries": 1} | props))

    def polished(id: str, *children: Child, passes: int, **props: Any) -> Child:
        body = lambda turn: [careful(task)(f"{id}-check", **props), *children]  # noqa: E731
        return Loop(id, until=lambda turn: turn.iteration >= passes - 1)[body]

    ended = run(
        Sequence[polished("x", task("own"), passes=2), careful(task)("bad", continue_on_fail=True)],
        results={"bad": fails()},
    )

    assert ended.started == ["x-check:0", "own:0", "x-check:1", "own:1", "bad", "bad"]


@pytest.mark.feature("author.compose.renderprop", "author.hooks.custom", "author.compose.context")
def test_helpers_read_the_context_and_functions_get_what_they_have_loaded(run: Any) -> None:
    def make(ctx: Context[Any]) -> Child:
        team = ctx.input["team"]

        def loaded(then: Callable[[Out], Child]) -> Child:
            found = ctx.output_maybe(Out, "load")
            return None if found is None else then(found)

        def good_enough() -> bool:
            return all((ctx.output_maybe(Out, id) or Out()).n >= 3 for id in ("load", "more"))

        def named(id: str) -> Task[Out]:
            return Task(f"{team}-{id}", output=Out)[call(work, 1)]

        return Sequence[
            Task("load", output=Out)[call(work, 7)],
            lambda: loaded(lambda found: named(f"got-{found.n}")),
            Task("more", output=Out)[call(work, 3)],
            lambda: named("good") if good_enough() else named("bad"),
        ]

    assert run(make, {"team": "blue"}).started == ["load", "blue-got-7", "more", "blue-good"]


@pytest.mark.feature("author.ids.branchshare")
@pytest.mark.parametrize("way", [True, False])
def test_paths_of_which_one_is_there_may_share_an_id(way: bool) -> None:
    run = start(
        Sequence[task("a"), Branch(way, then=Task("summary", output=Out)[call(work, 1)], otherwise=task("summary"))]
    )
    run.finish(number(run, "a"), Out())

    assert at_work(run) == ["summary"]


@pytest.mark.feature("author.mode.compute", "author.mode.static", "author.deps.fn", "author.deps.key")
def test_a_body_is_a_function_a_value_or_a_function_of_typed_outputs(run: Any) -> None:
    async def later() -> Out:
        return Out(n=2)

    def add(a: Out, other: Out) -> Out:
        return Out(n=a.n + other.n)

    ended = run(
        Sequence[
            Task("a", output=Out)[Out(n=1)],
            Task("b", output=Out)[later],
            Task("sum", output=Out, deps={"a": Out, "other": Out}, needs={"other": "b"})[add],
        ]
    )

    assert [ended.output(Out, id).n for id in ("a", "b", "sum")] == [1, 2, 3]


@pytest.mark.feature(
    "ctx.input", "ctx.iteration", "ctx.iterations", "ctx.latest", "ctx.outputmaybe", "ctx.iterationcount"
)
def test_what_a_context_says_at_every_render() -> None:
    said: list[tuple[Any, ...]] = []

    def make(ctx: Context[Any]) -> Child:
        def note() -> Child:
            maybe, latest = ctx.output_maybe(Out, "t"), ctx.latest(Out, "t")
            said.append(
                (
                    ctx.input,
                    ctx.iteration,
                    ctx.iterations,
                    maybe.n if maybe else None,
                    latest.n if latest else None,
                    ctx.iteration_count("t"),
                )
            )
            return None

        body = lambda turn: [note, Task("t", output=Out)[call(work, turn.iteration + 1)]]  # noqa: E731
        until = lambda turn: turn.iteration == 2  # noqa: E731
        return Sequence[note, Loop("l", until=until)[body], note]

    assert simulate(Workflow("w", make, None), {"x": 1}).status == "finished"

    assert said[0] == ({"x": 1}, 0, {}, None, None, 0)
    inside = [one for one in said if one[2]]
    assert inside[0] == ({"x": 1}, 0, {"l": 0}, None, None, 0)
    assert ({"x": 1}, 1, {"l": 1}, None, 1, 1) in inside
    assert said[-1] == ({"x": 1}, 0, {}, 3, 3, 3)


@pytest.mark.feature("exec.skip.rendertime")
def test_skip_if_is_what_it_was_when_the_task_was_rendered() -> None:
    skip: list[bool] = []
    run = start(lambda ctx: Sequence[task("a"), task("b", skip_if=bool(skip)), lambda: task("c", skip_if=bool(skip))])

    skip.append(True)
    run.finish(number(run, "a"), Out())

    assert at_work(run) == ["b"]


@pytest.mark.feature("exec.recovery.branch")
@pytest.mark.parametrize(("ok", "way"), [(fails(), "repair"), (Out(n=1), "go-on")])
def test_a_branch_on_a_result_recovers_from_an_error(run: Any, ok: Any, way: str) -> None:
    def make(ctx: Context[Any]) -> Child:
        def then() -> Child:
            found = ctx.output_maybe(Out, "risky")
            return Branch(found is not None and found.n > 0, then=task("go-on"), otherwise=task("repair"))

        return Sequence[task("risky", retries=0, continue_on_fail=True), then]

    ended = run(make, results={"risky": ok})

    assert (ended.status, ended.started) == ("finished", ["risky", way])


@pytest.mark.feature("author.usectx", "ctx.outside", "err.CONTEXT_OUTSIDE_WORKFLOW")
def test_components_find_the_context_while_they_render_and_bodies_do_not(run: Any) -> None:
    def body() -> Out:
        try:
            use_context()
        except RenderError as error:
            return Out(n=len(error.wire()["code"]))
        return Out()

    def component() -> Child:
        ctx = use_context()
        return Task(f"after-{ctx.output(Out, 'a').n}-{ctx.iteration}", output=Out)[body]

    turns = Loop("l", until=lambda turn: turn.iteration == 1)[lambda turn: component()]
    ended = run(lambda ctx: Sequence[Task("a", output=Out)[Out(n=7)], turns])

    assert ended.started == ["a", "after-7-0:0", "after-7-1:1"]
    assert ended.output(Out, "after-7-0", "0").n == len("CONTEXT_OUTSIDE_WORKFLOW")
    with pytest.raises(RenderError, match=__file__):
        use_context()
