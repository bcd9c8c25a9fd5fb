"""Trees that make no sense are refused before anything runs, with the author's line and what to do."""

from __future__ import annotations

import json
import re
import typing
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial, wraps
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from smithers import Approval, Child, Context, Loop, Parallel, Sequence, Task, Timer, Workflow, call, workflow
from smithers.engine import waits
from smithers.engine.check import preflight
from smithers.engine.mounts import Leaf
from smithers.engine.tree import Tree
from smithers.engine.waits import twin
from smithers.errors import InvalidElement, RenderError
from smithers.flow.element import Element
from smithers.testing import InMemoryRun
from tests.unit.engine.by_hand import start

HERE = re.escape(__file__)


class Out(BaseModel):
    n: int = 0


class Other(BaseModel):
    text: str


def work() -> Out:
    return Out()


def task(id: str, **props: Any) -> Task[Out]:
    return Task(id, output=Out, **props)[work]


def refusal(make: Callable[[Context[Any]], Child]) -> RenderError:
    with pytest.raises(RenderError) as caught:
        preflight(workflow(name="refused")(make), {})
    return caught.value


@pytest.mark.feature("task.id.duplicate", "err.DUPLICATE_ID", "author.ids.unique")
def test_duplicate_ids_name_both_lines() -> None:
    error = refusal(lambda ctx: Sequence[task("a"), Parallel[task("b"), task("a")]])

    assert error.data["code"] == "DUPLICATE_ID"
    assert (error.data["kind"], error.data["id"]) == ("Task", "a")
    assert error.message.startswith("Duplicate Task id detected: 'a'")
    assert len(re.findall(rf"{HERE}:\d+", error.message)) == 2


def test_unknown_dependency_names_the_nearest_id() -> None:
    error = refusal(lambda ctx: Sequence[task("build"), task("test", depends_on=["biuld"])])

    assert error.data["code"] == "UNKNOWN_DEPENDENCY"
    assert "'biuld'" in error.message
    assert "Did you mean 'build'?" in error.message


def test_a_cycle_is_named() -> None:
    error = refusal(
        lambda ctx: Parallel[task("a", depends_on=["b"]), task("b", depends_on=["c"]), task("c", depends_on=["a"])]
    )

    assert error.data["code"] == "CYCLE"
    assert "a -> b -> c -> a" in error.message


def test_waiting_for_what_comes_later_in_the_same_sequence_is_a_cycle() -> None:
    error = refusal(lambda ctx: Sequence[task("a", depends_on=["b"]), task("b")])

    assert error.data["code"] == "CYCLE"
    assert "comes after it in the same sequence" in error.message


@pytest.mark.feature("author.mode.compute")
def test_late_binding_names_the_variable_and_the_fix() -> None:
    def make(ctx: Context[Any]) -> Child:
        tasks: list[Child] = []
        for number in range(3):
            tasks.append(Task(f"t{number}", output=Out)[lambda: Out(n=number)])  # noqa: B023, PERF401  the mistake
        return tasks

    error = refusal(make)

    assert error.data["code"] == "LATE_BINDING"
    assert "uses number, which has changed" in error.message
    assert "call(function, number)" in error.message


@pytest.mark.feature("author.mode.compute")
def test_what_holds_no_variable_or_one_without_a_value_is_bound_to_nothing() -> None:
    def make(ctx: Context[Any]) -> Child:
        tree = Sequence[
            Task("plain", output=Out)[work],
            Task("bound", output=Out)[partial(Out, n=1)],
            Task("early", output=Out)[lambda: Out(n=later)],
            Made("part"),
        ]
        later = 3
        return tree

    assert set(start(make).nodes) == {"plain:", "bound:", "early:", "part:"}


@dataclass
class Made:
    """A child that is called as functions are, and is none."""

    id: str

    def __call__(self) -> Child:
        return task(self.id)


def test_functions_that_share_an_unchanging_variable_are_fine() -> None:
    def make(ctx: Context[Any]) -> Child:
        base = 7
        return Parallel[(Task(f"t{i}", output=Out)[lambda i=i: Out(n=base + i)] for i in range(3))]

    assert len(preflight(workflow(name="fine")(make), {}).commands) == 3


@pytest.mark.feature("run.opt.maxconcurrency")
@pytest.mark.parametrize(("options", "begun"), [({"max_in_flight": 2}, 2), ({}, 3), (None, 3)])
def test_the_first_frame_is_checked_with_the_options_of_the_run(options: dict[str, Any] | None, begun: int) -> None:
    wide = workflow(name="wide")(lambda ctx: Parallel[(task(f"t{i}") for i in range(3))])

    first = preflight(wide, {}, options)

    assert len(first.commands) == begun
    assert first == InMemoryRun(wide, {}, options or {}).plans[0]


@pytest.mark.feature("author.ids.stable")
def test_an_id_that_changes_at_every_render_is_refused() -> None:
    numbers = count()
    error = refusal(lambda ctx: task(f"t{next(numbers)}"))

    assert error.data["code"] == "UNSTABLE_ID"
    assert "changes at every render" in error.message


@pytest.mark.feature("author.ids.stable")
def test_a_function_that_renders_something_else_each_time_is_refused_when_its_turn_comes(rebuild: bool) -> None:
    """Called again, as after a crash, it would withdraw what it has begun, and do it under another id."""
    numbers = count()

    def make(ctx: Context[Any]) -> Child:
        def unsteady() -> Child:
            ctx.output(Out, "a")
            return Parallel[task("b"), task(f"t{next(numbers)}")]

        return Sequence[task("a"), unsteady]

    run = start(make, rebuild=rebuild)
    with pytest.raises(RenderError, match=r"Task\('t0'\) is there once and not the next time") as caught:
        run.finish(run.work[0].n, Out())

    assert caught.value.data["code"] == "UNSTABLE_ID"
    assert re.search(rf"The function at {HERE}:\d+", caught.value.message)


def test_a_generator_that_a_function_uses_up_is_refused() -> None:
    tasks = (task(f"t{number}") for number in range(3))

    assert "such as a generator" in refusal(lambda ctx: Sequence[task("a"), lambda: tasks]).message


@pytest.mark.parametrize("empty", [None, False, [], Sequence[()], Sequence[None, Parallel[False]]])
def test_an_empty_tree_is_refused(empty: Child) -> None:
    assert "has an empty tree" in refusal(lambda ctx: empty).message


@pytest.mark.feature("err.MISSING_OUTPUT", "ctx.output")
def test_a_read_at_top_level_that_nothing_can_satisfy_names_its_line_and_id() -> None:
    error = refusal(lambda ctx: Sequence[task("a"), task(f"b{ctx.output(Out, 'a').n}")])

    assert error.data["code"] == "MISSING_OUTPUT"
    assert "No output found" in error.message
    assert "'a'" in error.message
    assert re.search(rf"{HERE}:\d+", error.message)
    assert "it waits for itself: read in a function of its own" in error.message


def test_an_element_that_nobody_understands_is_refused() -> None:
    error = refusal(lambda ctx: Sequence[task("a"), Element()])

    assert "Element at" in error.message
    assert "nobody understands" in error.message


def test_an_exception_of_the_authors_code_keeps_its_line() -> None:
    def make(ctx: Context[Any]) -> Child:
        return task(str(1 // len(ctx.input)))

    error = refusal(make)

    assert "ZeroDivisionError" in error.message
    assert re.search(rf"{HERE}:\d+", error.message)


@pytest.mark.feature("task.children.required")
def test_a_task_without_a_body_is_refused() -> None:
    assert "has no body" in refusal(lambda ctx: Task("a", output=Out)).message


def one_thing(thing: Out) -> Out:
    return thing


def borrowing(function: Callable[..., Out]) -> Callable[..., Out]:
    """A decorator that gives a function its first argument."""

    @wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Out:
        return function(Out(), *args, **kwargs)

    return wrapped


@pytest.mark.parametrize(
    ("body", "deps", "says"),
    [
        (one_thing, {}, "cannot call one_thing: missing a required argument: 'thing'. It is given nothing by deps"),
        (one_thing, {"a": Out}, "missing a required argument: 'thing'. It is given a by deps"),
        (work, {"a": Out}, "cannot call work: got an unexpected keyword argument 'a'"),
        (call(work, 1, 2), {}, "too many positional arguments"),
        (call(work, m=1), {}, "got an unexpected keyword argument 'm'"),
        (one_thing, {"a-b": Out}, "write deps={'name': Model} and needs={'name': 'a-b'}"),
        (partial(one_thing), {}, "missing a required argument"),
    ],
)
def test_a_body_that_cannot_be_called_with_what_it_is_given_is_refused_before_anything_runs(
    body: Any, deps: Any, says: str
) -> None:
    first = [Task(id, output=Out)[work] for id in deps]
    error = refusal(lambda ctx: Sequence[*first, lambda: Task("b", output=Out, deps=deps)[body]])

    assert says in error.message
    assert re.search(rf"Task\('b'\) at {HERE}:\d+", error.message)


@pytest.mark.parametrize(
    "body",
    [borrowing(one_thing), lambda *args, **kwargs: Out(), lambda context=None: Out(), Out, partial(one_thing, Out())],
)
def test_whatever_can_be_called_is_taken(body: Any) -> None:
    preflight(Workflow("w", lambda ctx: Task("a", output=Out)[body], None), {})


@pytest.mark.parametrize(
    ("write", "says"),
    [
        (lambda: Task("", output=Out), "an id is 1 to 200"),
        (lambda: Task("a b", output=Out), "an id is 1 to 200"),
        (
            lambda: Task("a", output=BaseModel),
            r"'pydantic.*BaseModel'> is not a pydantic model class: write `class Found",
        ),
        (lambda: Task("a", output=dict), "is not a pydantic model class"),  # pyright: ignore[reportArgumentType]
        (lambda: Task("a", output=Out)[Other(text="x")], "is to produce Out, but its value is a Other"),  # pyright: ignore[reportArgumentType]
        (lambda: Task("a", output=Out)["do it"], "a prompt needs an agent"),  # pyright: ignore[reportArgumentType]
        (lambda: Task("a", output=Out)[work][work], "has a body already"),
        (lambda: Task("a", output=Out, retries=-2), "give 0 or more"),
        (lambda: Task("a", output=Out, timeout="5 parsecs"), "is not a duration"),
        (lambda: Task("a", output=Out, timeout="-5s"), "is not a duration"),
        (lambda: Sequence["text"], "text and data belong inside a Task"),
        (lambda: Sequence[Task], "write Task\\(...\\)"),
        (lambda: Sequence[3], "children are elements"),
        (lambda: Parallel(max_concurrency=0), "give 1 or more"),
        (lambda: Loop("l", until=True, max_iterations=0), "give 1 or more"),
        (lambda: Timer("t"), "either duration or until"),
        (lambda: Timer("t", duration="1s")[work], "takes no children"),
        (lambda: Approval("a", on_deny="panic"), "use fail, continue or skip"),  # pyright: ignore[reportArgumentType]
        (lambda: call(3), "the first argument is the function"),  # pyright: ignore[reportArgumentType]
    ],
)
def test_nonsense_is_refused_where_it_is_written(write: Callable[[], object], says: str) -> None:
    with pytest.raises(InvalidElement, match=rf"{says}.*\({HERE}:\d+\)\.$") as caught:
        write()
    assert caught.value.data["where"] in caught.value.message


@pytest.mark.feature("err.TASK_ID_REQUIRED", "author.ids.required", "err.TASK_MISSING_OUTPUT", "author.output.required")
@pytest.mark.parametrize(
    ("write", "code"),
    [
        (lambda: Task("", output=Out), "TASK_ID_REQUIRED"),
        (lambda: Task(None, output=Out), "TASK_ID_REQUIRED"),  # pyright: ignore[reportArgumentType]
        (lambda: Task("a b", output=Out), "INVALID_ELEMENT"),
        (lambda: Task("a", output=None), "TASK_MISSING_OUTPUT"),  # pyright: ignore[reportArgumentType]
        (lambda: Task("a", output=dict), "INVALID_ELEMENT"),  # pyright: ignore[reportArgumentType]
    ],
)
def test_what_a_task_cannot_do_without_has_codes_of_its_own(write: Callable[[], object], code: str) -> None:
    with pytest.raises(InvalidElement) as caught:
        write()

    assert caught.value.wire()["code"] == code
    assert caught.value.data["where"].startswith(__file__)
    if code == "TASK_MISSING_OUTPUT":
        assert caught.value.data["nodeId"] == "a"


@pytest.mark.feature("err.CONTEXT_OUTSIDE_WORKFLOW", "ctx.outside")
def test_a_read_outside_of_rendering_names_its_line() -> None:
    kept: list[Context[Any]] = []

    def make(ctx: Context[Any]) -> Child:
        kept.append(ctx)
        return task("a")

    preflight(workflow(name="kept")(make), {})
    for read in (lambda: kept[0].output(Out, "a"), lambda: kept[0].latest(Out, "a")):
        with pytest.raises(RenderError, match=rf"'a' is read at {HERE}:\d+, outside of rendering") as caught:
            read()
        assert caught.value.wire()["code"] == "CONTEXT_OUTSIDE_WORKFLOW"


def line_of(text: str) -> str:
    """File and line of the only place in this file that has this text."""
    [line] = [number for number, one in enumerate(Path(__file__).read_text().splitlines(), 1) if one.endswith(text)]
    return f"{__file__}:{line}"


def test_nonsense_that_is_written_while_rendering_names_its_line() -> None:
    def make(ctx: Context[Any]) -> Child:
        def part() -> Child:
            return Sequence["some text"]  # here it is written

        return Sequence[task("a"), part]

    error = refusal(make)

    assert (error.data["code"], error.data["where"]) == ("INVALID_ELEMENT", line_of("# here it is written"))
    assert error.data["where"] in error.message


def test_nonsense_that_a_function_returns_names_where_the_function_was_used() -> None:
    def make(ctx: Context[Any]) -> Child:
        returns_text: Any = lambda: "some text"  # noqa: E731
        return Sequence[task("a"), returns_text]  # here it is used

    error = refusal(make)

    assert "text and data belong inside a Task" in error.message
    assert error.data["where"] == line_of("# here it is used")


def test_a_condition_of_a_loop_that_raises_names_its_line() -> None:
    def broken() -> bool:
        return bool(1 // 0)  # here it is raised

    error = refusal(lambda ctx: Loop("l", until=broken)[task("a")])

    assert "Loop('l')" in error.message
    assert "ZeroDivisionError" in error.message
    assert line_of("# here it is raised") in error.message


def test_looking_for_cycles_costs_what_there_are_dependencies(monkeypatch: pytest.MonkeyPatch) -> None:
    looked = 0

    def counted(tree: Tree, leaf: Leaf, id: str) -> Leaf | None:
        nonlocal looked
        looked += 1
        return twin(tree, leaf, id)

    monkeypatch.setattr(waits, "twin", counted)
    chain = [task("t0"), *(task(f"t{n}", depends_on=[f"t{n - 1}"]) for n in range(1, 300))]
    preflight(Workflow("w", lambda ctx: Parallel[chain], None), {})

    assert looked < 300 * 4


def test_errors_of_the_authors_code_name_the_authors_line_and_not_that_of_pythons_library() -> None:
    message = refusal(lambda ctx: json.loads("{")).message

    assert "JSONDecodeError" in message
    assert re.search(rf" at {HERE}:\d+$", message)


def test_a_function_that_wants_what_a_child_is_not_given_is_named_by_its_line() -> None:
    message = refusal(lambda ctx: Sequence[task("a"), lambda missing: task("b")]).message

    assert "'missing'" in message
    assert re.search(rf"of the function at {HERE}:\d+", message)


@pytest.mark.parametrize(
    ("write", "says"),
    [
        (lambda: Sequence[typing.Sequence[int]], "Sequence got typing.Sequence.int. as a child, which is a type"),
        (lambda: Sequence[Workflow("w", lambda ctx: None, None)], "a workflow as a child: write Subflow"),
    ],
)
def test_what_only_looks_like_a_child_is_told_what_it_is(write: Callable[[], object], says: str) -> None:
    with pytest.raises(InvalidElement, match=says):
        write()


def test_deps_that_are_read_with_another_model_name_the_tasks_line(rebuild: bool) -> None:
    run = start(Sequence[task("a"), Task("b", output=Out, deps={"a": Other})[lambda a: Out()]], rebuild=rebuild)
    run.finish(run.work[0].n, Out())

    with pytest.raises(RenderError, match=rf"'a' is read as Other at {HERE}:\d+, but it does not fit"):
        run.planner.body("b", "")


def test_deps_that_do_not_fit_fail_their_task_and_not_the_step(run: Any) -> None:
    ended = run(Sequence[task("a"), Task("b", output=Out, deps={"a": Other})[lambda a: Out()]])

    assert (ended.status, ended.state("b")) == ("failed", "failed")
    assert "'a' is read as Other" in ended.error["message"]
