"""Runs that continue as new: when they do, what becomes of the rest, and what is carried."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from pydantic import BaseModel, Field

from smithers import (
    Child,
    Context,
    ContinueAsNew,
    Loop,
    Parallel,
    Saga,
    SagaStep,
    Sequence,
    Subflow,
    Task,
    TaskContext,
    Timer,
    TryCatchFinally,
    WaitForEvent,
    Workflow,
    call,
    continue_as_new,
)
from smithers.engine.handover import MOST_IDLE
from smithers.errors import InvalidElement, RenderError
from smithers.flow.continuing import ENVELOPE_BYTES, LARGEST_BYTES
from smithers.testing import fails, simulate
from smithers.testing.memory_run import InMemoryRun
from tests.flows.below import Counted, onward
from tests.unit.engine.by_hand import at_work, number, start

pytestmark = pytest.mark.decision("0032")


class Out(BaseModel):
    n: int = 0


class Cursor(BaseModel):
    page: int = 0
    seen: list[str] = []


def work(n: int = 0) -> Out:
    return Out(n=n)


def task(id: str, **props: Any) -> Task[Out]:
    return Task(id, output=Out, **props)[work]


class Told(BaseModel):
    """What a run says of the one before."""

    payload: Any = None
    before: str = ""
    root: str = ""
    generation: int = 0


def tell(told: Told) -> Told:
    return told


def told_by(ctx: Context[Any]) -> Told:
    about = ctx.continuation
    if about is None:
        return Told(generation=ctx.generation)
    return Told(payload=about.payload, before=about.run_id, root=about.root_id, generation=about.generation)


def ids(ended: Any) -> list[str]:
    """Of all runs of the chain."""
    last = ended.run if hasattr(ended, "run") else ended
    return [one.run_id for one in (*ended.before, last)]


def log_of(ended: Any, at: int) -> list[Any]:
    """Of a run of the chain."""
    last = ended.run if hasattr(ended, "run") else ended
    one = [*ended.before, last][at]
    return one.log if isinstance(one, InMemoryRun) else one.store.entries(one.run_id)


def state_of(one: Any, node: str) -> str:
    return one.row(node).state if isinstance(one, InMemoryRun) else one.state(node)


def paged(pages: int) -> Workflow[Any]:
    """Reads one page per run, and carries the next one's number on."""

    def render(ctx: Context[Any]) -> Child:
        at = ctx.carried(Cursor) or Cursor()

        def onward() -> Child:
            read = ctx.output(Out, "read")
            if read.n + 1 < pages:
                return continue_as_new(Cursor(page=read.n + 1, seen=[*at.seen, ctx.run_id]))
            return Task("sum", output=Out)[call(work, len(at.seen) + 1)]

        return Sequence[Task("read", output=Out)[call(work, at.page)], onward]

    return Workflow("paged", render, None)


@pytest.mark.feature(
    "continueasnew.element",
    "continueasnew.helper",
    "continueasnew.conditional",
    "continueasnew.auto-start",
    "continueasnew.status",
    "run.status.continued",
)
def test_a_chain_of_runs_goes_on_until_one_does_not_continue(run: Any) -> None:
    ended = run(paged(3).function)

    assert (ended.status, [one.status for one in ended.before]) == ("finished", ["continued", "continued"])
    assert ended.output(Out, "sum").n == 3
    assert ended.started == ["read", "read", "read", "sum"]


@pytest.mark.feature("continueasnew.stops-sequence")
def test_nothing_after_it_runs(run: Any) -> None:
    def render(ctx: Context[Any]) -> Child:
        return Sequence[task("before"), None if ctx.generation else ContinueAsNew(), task(f"after-{ctx.generation}")]

    ended = run(render)

    assert (ended.status, ended.started) == ("finished", ["before", "before", "after-1"])


def test_what_is_at_work_is_told_to_stop_and_waits_are_over(run: Any) -> None:
    def held(context: TaskContext) -> Out:
        context.flag.wait(timedelta(seconds=30))
        context.raise_if_cancelled()
        return Out()

    def render(ctx: Context[Any]) -> Child:
        if ctx.generation:
            return task("last")
        rest = Task("held", output=Out)[held], Timer("timer", duration="1h")
        return Parallel[Sequence[task("quick"), ContinueAsNew()], *rest, WaitForEvent("wait", event="x", output=Out)]

    ended = run(render)

    (before,) = ended.before
    assert (ended.status, before.status) == ("finished", "continued")
    assert [state_of(before, node) for node in ("quick", "continue-as-new")] == ["finished", "finished"]
    assert {state_of(before, node) for node in ("held", "timer", "wait")} == {"cancelled"}
    assert "last" in ended.started


def test_blocks_clean_up_before_the_other_run_begins(run: Any) -> None:
    def render(ctx: Context[Any]) -> Child:
        onward = None if ctx.generation else ContinueAsNew()
        return TryCatchFinally(id="try", catch=task("caught"), finally_=task("sweep"))[task("work"), onward]

    ended = run(render)

    assert [one.status for one in ended.before] == ["continued"]
    assert (ended.status, ended.started) == ("finished", ["work", "sweep", "work", "sweep"])


def test_a_cleanup_that_fails_shows_and_does_not_hold_it_up(run: Any) -> None:
    def render(ctx: Context[Any]) -> Child:
        onward = None if ctx.generation else ContinueAsNew()
        return TryCatchFinally(id="try", finally_=task("sweep", retries=0))[task("work"), onward]

    ended = run(render, results={"sweep": [fails(), Out()]})

    (before,) = ended.before
    assert (before.status, state_of(before, "sweep")) == ("continued", "failed")
    assert (ended.status, ended.state("sweep")) == ("finished", "finished")


def test_a_saga_around_it_is_undone_and_one_before_it_is_not(run: Any) -> None:
    def saga(ctx: Context[Any]) -> Child:
        step = SagaStep("one", compensation=task(f"undo-{ctx.generation}"))[task(f"do-{ctx.generation}")]
        match ctx.generation:
            case 0:
                return Saga[step, SagaStep("two")[ContinueAsNew()]]
            case 1:
                return Sequence[Saga[step], ContinueAsNew()]
            case _:
                return task("last")

    assert run(saga).started == ["do-0", "undo-0", "do-1", "last"]


def test_what_has_failed_beside_it_fails_the_run(run: Any) -> None:
    def render(ctx: Context[Any]) -> Child:
        def onward() -> Child:
            return ContinueAsNew() if ctx.output(Out, "ok") else None

        failing = Sequence[task("early"), task("bad", retries=0, depends_on=("early",))]
        return Sequence[Parallel[failing, task("ok")], onward]

    ended = run(render, results={"bad": fails()})

    assert (ended.status, ended.before, (ended.error or {})["code"]) == ("failed", [], "TASK_FAILED")


@pytest.mark.feature("continueasnew.state")
def test_state_is_read_as_a_model_and_as_what_it_is(run: Any) -> None:
    carried = {"page": 2, "seen": ["é", "b"], "deep": {"x": [1, 2.5, None, True]}}

    def render(ctx: Context[Any]) -> Child:
        if ctx.generation == 2:
            return Task("tell", output=Told)[call(tell, told_by(ctx))]
        read = ctx.carried(Cursor)
        assert read is None or (read.page, read.seen) == (2, ["é", "b"])
        assert ctx.generation or (read is None and ctx.continuation is None)
        return Sequence[task("work"), ContinueAsNew(carried)]

    ended = run(render)

    first, second, _ = ids(ended)
    told = ended.output(Told, "tell")
    assert told == Told(payload=carried, before=second, root=first, generation=2)


class Strict(BaseModel, strict=True):
    """A model that its own JSON does not fit, read as Python values and by its aliases alone."""

    pages: tuple[int, ...] = Field(default=(), alias="pagesSeen")
    since: timedelta = timedelta()


@pytest.mark.feature("continueasnew.state")
def test_a_strict_model_with_aliases_is_carried(run: Any) -> None:
    written = Strict(pagesSeen=(1, 2), since=timedelta(hours=1))

    def render(ctx: Context[Any]) -> Child:
        assert ctx.carried(Strict) == (written if ctx.generation else None)
        return Sequence[task("work"), None if ctx.generation else ContinueAsNew(written)]

    ended = run(render)

    assert (ended.status, len(ended.before)) == ("finished", 1)


@pytest.mark.feature("continueasnew.no-state")
def test_without_state_nothing_is_carried(run: Any) -> None:
    def render(ctx: Context[Any]) -> Child:
        if ctx.generation == 2:
            assert ctx.carried(Cursor) is None
            return Task("tell", output=Told)[call(tell, told_by(ctx))]
        return Sequence[task("work"), ContinueAsNew(None if ctx.generation else {"page": 1})]

    ended = run(render)

    told = ended.output(Told, "tell")
    assert (told.payload, told.before) == (None, ids(ended)[1])
    assert ["carried" in {entry.kind for entry in log_of(ended, at)} for at in (0, 1, 2)] == [False, True, False]


@pytest.mark.feature("continueasnew.original-input")
def test_the_input_is_that_of_the_first_run(run: Any) -> None:
    def render(ctx: Context[Any]) -> Child:
        onward = ContinueAsNew({"n": 9}) if ctx.generation < 2 else None
        return Sequence[Task(f"told-{ctx.generation}", output=Told)[call(tell, Told(payload=ctx.input))], onward]

    ended = run(render, {"title": "x"})

    assert ended.output(Told, "told-2").payload == {"title": "x"}
    assert [log_of(ended, at)[0].data["input"] for at in (0, 1, 2)] == [{"title": "x"}] * 3


@pytest.mark.feature("continueasnew.outputs")
def test_the_other_run_has_no_output_of_the_one_before(run: Any) -> None:
    def render(ctx: Context[Any]) -> Child:
        found = ctx.output_maybe(Out, "read") or ctx.latest(Out, "read") or Out()
        first = Task("first", output=Out)[call(work, found.n)]
        return Sequence[first, Task("read", output=Out)[call(work, 7)], None if ctx.generation else ContinueAsNew()]

    ended = run(render)

    assert ended.started == ["first", "read"] * 2
    assert [ended.output(Out, id).n for id in ("first", "read")] == [0, 7]


@pytest.mark.feature("continueasnew.after-loop")
def test_a_bounded_loop_is_handed_over_with_a_counter(run: Any) -> None:
    def render(ctx: Context[Any]) -> Child:
        before = (ctx.carried(Counted) or Counted(number=0)).number

        def onward() -> Child:
            polled = ctx.output(Out, "poll", iteration=1)
            return ContinueAsNew(Counted(number=before + 1)) if polled.n < 21 else None

        polls = Loop("polls", until=False, max_iterations=2)[Task("poll", output=Out)[call(work, before * 10 + 1)]]
        return Sequence[polls, onward]

    ended = run(render)

    assert (ended.status, len(ended.before)) == ("finished", 2)
    assert ended.started == ["poll:0", "poll:1"] * 3
    assert ended.output(Out, "poll", "1").n == 21


@pytest.mark.feature("continueasnew.identity")
def test_each_run_has_an_id_of_its_own_in_a_chain_with_one_root(run: Any) -> None:
    ended = run(paged(3).function)

    root, *others = ids(ended)
    assert others == [f"{root}.g1", f"{root}.g2"]
    links = [log_of(ended, at)[0].data.get("continues") for at in (0, 1, 2)]
    about = [None if link is None else (link["run"], link["root"], link["generation"]) for link in links]
    assert about == [None, (root, root, 1), (f"{root}.g1", root, 2)]
    assert len({log_of(ended, at)[0].data.get("workflow") for at in (0, 1, 2)}) == 1


@pytest.mark.feature("continueasnew.history-limit")
def test_the_log_of_a_run_does_not_grow_with_what_was_before(run: Any) -> None:
    ended = run(paged(8).function)

    lengths = [len(log_of(ended, at)) for at in range(1, 7)]
    assert max(lengths) - min(lengths) <= 2


@pytest.mark.feature("continueasnew.limit")
def test_ten_megabytes_are_carried_with_their_envelope(run: Any) -> None:
    largest = LARGEST_BYTES - ENVELOPE_BYTES - len('""')

    def render(ctx: Context[Any]) -> Child:
        about = ctx.continuation
        if about is None:
            return Sequence[task("work"), ContinueAsNew("x" * largest)]
        return Task("size", output=Out)[call(work, len(about.payload))]

    ended = run(render)

    assert ended.output(Out, "size").n == largest
    for more in ("x" * (largest + 1), {"text": "é" * (largest // 2)}):
        with pytest.raises(InvalidElement, match=r"bytes as JSON, and with its envelope at most 10,485,760"):
            ContinueAsNew(more)


class Plain:
    pass


def holding_itself() -> dict[str, Any]:
    found: dict[str, Any] = {"inner": []}
    found["inner"].append(found)
    return found


@pytest.mark.feature("continueasnew.serializable")
@pytest.mark.parametrize(
    ("state", "place"),
    [
        (Plain(), r"state is not JSON: <.*Plain.*\(Plain\)"),
        ({"a": [1, work]}, r"state\.a\[1\] is not JSON: <function work"),
        ({"a": {"b": {1, 2}}}, r"state\.a\.b is not JSON: \{1, 2\} \(set\)"),
        ([float("nan")], r"state\[0\] is not JSON: nan .*finite"),
        ({1: "x"}, r"state, the key 1 is not JSON.*keys are texts"),
        (["\ud800"], r"state\[0\] is not JSON.*surrogate"),
        (timedelta(1), r"state is not JSON.*timedelta"),
        ([Out()], r"state\[0\] is not JSON.*model_dump"),
        (holding_itself(), r"state\.inner\[0\] is not JSON.*holds itself"),
    ],
    ids=["object", "function", "set", "nan", "key", "surrogate", "timedelta", "model", "cycle"],
)
def test_what_is_no_json_is_refused_where_it_is_written(state: Any, place: str) -> None:
    with pytest.raises(InvalidElement, match=place) as refused:
        ContinueAsNew(state)

    assert "test_continuing.py:" in refused.value.message


def test_what_is_changed_afterwards_is_not_carried(rebuild: bool) -> None:
    state = {"seen": ["a"]}
    element = ContinueAsNew(state)
    state["seen"].append("b")

    def render(ctx: Context[Any]) -> Child:
        about = ctx.continuation
        if about is None:
            return Sequence[task("work"), element]
        about.payload["seen"].append("c")
        return Task("tell", output=Told)[call(tell, told_by(ctx))]

    assert simulate(Workflow("w", render, None), rebuild=rebuild).output(Told, "tell").payload == {"seen": ["a"]}


def test_state_of_another_model_is_refused_with_its_place(rebuild: bool) -> None:
    def render(ctx: Context[Any]) -> Child:
        ctx.carried(Cursor)
        return Sequence[task("work"), ContinueAsNew({"page": "many"})]

    with pytest.raises(
        RenderError, match=r"'test' has carried.*read as Cursor at .*test_continuing\.py:\d+.*\(page\)"
    ) as refused:
        simulate(Workflow("w", render, None), rebuild=rebuild)
    assert refused.value.data["code"] == "CARRIED_STATE_INVALID"


def test_a_cancel_while_it_winds_down_wins(rebuild: bool) -> None:
    run = start(Parallel[Sequence[task("quick"), ContinueAsNew()], task("slow")], rebuild)
    run.finish(number(run, "quick"), Out())
    assert (run.status, at_work(run), run.row("slow").state) == ("running", ["slow"], "cancelling")

    run.cancel()
    run.cancelled(number(run, "slow"))

    assert run.status == "cancelled"


def test_it_waits_for_what_is_in_flight_and_begins_nothing(rebuild: bool) -> None:
    tree = Parallel[Sequence[task("quick"), ContinueAsNew()], Sequence[task("slow"), task("next")]]
    run = start(tree, rebuild)
    run.finish(number(run, "quick"), Out())
    run.finish(number(run, "slow"), Out(n=1))

    assert (run.status, at_work(run), run.row("slow").state) == ("continued", [], "finished")
    assert "next" not in {row.node for row in run.nodes.values()} or run.row("next").state == "cancelled"


def test_events_that_nobody_has_taken_go_on_in_order(rebuild: bool) -> None:
    def render(ctx: Context[Any]) -> Child:
        waits = [WaitForEvent(id, event="paid", output=Out) for id in ("one", "two")]
        if ctx.generation:
            return Sequence[waits]
        return Sequence[WaitForEvent("first", event="paid", output=Out), task("work"), ContinueAsNew()]

    run = start(render, rebuild)
    for n in (1, 2, 3):
        run.signal("paid", Out(n=n))
    run.finish(number(run, "work"), Out())
    following = run.following()

    assert run.output(Out, "first").n == 1
    assert [following.output(Out, id).n for id in ("one", "two")] == [2, 3]
    assert following.status == "finished"


def test_a_cleanup_and_an_inline_subflow_cannot_hand_over() -> None:
    def sweeping(ctx: Context[Any]) -> Child:
        return TryCatchFinally(id="try", finally_=Sequence[task("sweep"), ContinueAsNew()])[task("a")]

    def inline(ctx: Context[Any]) -> Child:
        return Subflow("sub", workflow=onward, output=Counted, mode="inline")

    with pytest.raises(RenderError, match=r"'continue-as-new'.*stands in a cleanup.*put it behind the block"):
        simulate(Workflow("w", sweeping, None))
    with pytest.raises(RenderError, match=r"stands in an inline subflow.*mode='child_run'"):
        simulate(Workflow("w", inline, None))


def test_a_chain_without_any_work_is_refused(rebuild: bool) -> None:
    began: list[int] = []

    def render(ctx: Context[Any]) -> Child:
        began.append(ctx.generation)
        return ContinueAsNew({"n": ctx.generation})

    with pytest.raises(RenderError, match=r"100 runs in a row have continued as new at once") as refused:
        simulate(Workflow("w", render, None), rebuild=rebuild)

    assert refused.value.data["code"] == "CONTINUES_WITHOUT_WORK"
    assert max(began) == MOST_IDLE


def test_a_chain_with_work_goes_on_beyond_that() -> None:
    assert len(simulate(paged(MOST_IDLE + 20)).before) == MOST_IDLE + 19


@pytest.mark.feature("continueasnew.limit")
def test_a_chain_whose_work_brings_nothing_goes_on_beyond_that() -> None:
    """Each time it fails, and that is borne."""

    def render(ctx: Context[Any]) -> Child:
        tried = task("tried", continue_on_fail=True)
        return Sequence[tried, ContinueAsNew() if ctx.generation <= MOST_IDLE else None]

    ended = simulate(Workflow("w", render, None), results={"tried": fails(retryable=False)})

    assert (ended.status, len(ended.before)) == ("finished", MOST_IDLE + 1)


def test_it_takes_no_children() -> None:
    with pytest.raises(InvalidElement, match=r"ContinueAsNew\('continue-as-new'\) takes no children"):
        ContinueAsNew()[task("a")]


def test_a_child_that_continues_as_new_ends_its_node_once(run: Any) -> None:
    ended = run(Sequence[Subflow("sub", workflow=onward, output=Counted), task("after")])

    assert (ended.status, ended.output(Counted, "sub").number) == ("finished", 3)
    assert ended.started[-1] == "after"
    kinds = [entry.kind for entry in log_of(ended, 0) if entry.data.get("node") == "sub"]
    assert kinds.count("ended") == 1
    if not hasattr(ended, "run"):
        children = sorted(ended.store.children(ended.run_id), key=lambda one: one.run_id)
        root = children[0].run_id
        assert [one.run_id for one in children] == [root, f"{root}.g1", f"{root}.g2"]
        assert [one.status for one in children] == ["continued", "continued", "finished"]
        assert kinds.count("launched") == 1
