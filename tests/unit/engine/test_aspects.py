"""Budgets around a part of the tree: what they count, whom they stop, and what is reserved."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

from smithers import (
    Approval,
    Aspects,
    Child,
    Context,
    CostBudget,
    Estimate,
    LatencySlo,
    Loop,
    Parallel,
    Sequence,
    Subflow,
    Task,
    TaskContext,
    Timer,
    TokenBudget,
    Tracking,
    TryCatchFinally,
    Turn,
    Workflow,
    call,
    workflow,
)
from smithers.engine.entry import Json
from smithers.engine.subflows import told as told_above
from smithers.errors import InvalidElement
from smithers.testing import InMemoryRun
from tests.unit.engine.by_hand import start
from tests.unit.engine.trees import life, scoped_workflow, told

pytestmark = pytest.mark.decision("0013")

CODE = "ASPECT_BUDGET_EXCEEDED"


class Out(BaseModel):
    n: int = 0


def use(tokens: int, cost: float, task: TaskContext) -> Out:
    task.usage(input_tokens=tokens - tokens // 4, output_tokens=tokens // 4, cost_usd=cost)
    return Out(n=tokens)


def task(id: str, tokens: int = 0, cost: float = 0, **props: Any) -> Task[Out]:
    return Task(id, output=Out, **props)[call(use, tokens, cost)]


def tokens(most: int, **more: Any) -> dict[str, Any]:
    return {"token_budget": TokenBudget(max=most, **more)}


def states(run: Any, *nodes: str) -> list[str]:
    return [run.state(node) for node in nodes]


# What is spent


@pytest.mark.feature(
    "aspects.scope", "aspects.children", "aspects.outside", "aspects.token.max", "aspects.accumulator", "aspects.no-id"
)
def test_once_the_tokens_are_spent_the_next_task_fails_and_what_is_outside_goes_on(run: Any) -> None:
    ended = run(
        Parallel[
            Aspects(**tokens(1000))[task("a", 600), Sequence[task("b", 600)], task("c")],
            Sequence[task("x", 5000), task("y")],
        ]
    )

    assert states(ended, "a", "b", "c", "x") == ["finished", "finished", "failed", "finished"]
    assert "c" not in ended.started
    assert ended.status == "failed"


@pytest.mark.feature("aspects.fail", "err.ASPECT_BUDGET_EXCEEDED", "aspects.token.onExceeded")
def test_the_error_names_the_budget_what_is_spent_the_limit_and_the_node(run: Any) -> None:
    ended = run(Aspects(**tokens(1000))[task("a", 1200), task("c")])

    assert (ended.error["code"], ended.error["node"]) == (CODE, "c")
    about = {"kind": "tokens", "limit": 1000, "current": 1200, "aspects": "a:aspects", "policy": "fail", "node": "c"}
    assert ended.error["data"] == about
    for part in ("Task 'c'", "token_budget of Aspects('a:aspects')", "test_aspects.py:", "1200 tokens", "1000 tokens"):
        assert part in ended.error["message"]


@pytest.mark.feature("aspects.cost.maxUsd", "aspects.cost.onExceeded")
def test_money_is_counted_exactly(run: Any) -> None:
    scope = Aspects(cost_budget=CostBudget(max_usd=0.3))
    ended = run(scope[(task(f"t{i}", cost=0.1) for i in range(4))])

    assert states(ended, "t2", "t3") == ["finished", "failed"]
    assert ended.error["data"]["current"] == ended.error["data"]["limit"] == 0.3


@pytest.mark.feature("aspects.fail")
def test_a_task_that_a_budget_fails_is_not_retried_and_may_be_tolerated_or_caught(run: Any) -> None:
    tolerated = task("b", continue_on_fail=True, retries=3)
    ended = run(
        Sequence[
            Aspects(**tokens(10))[task("a", 20), tolerated],
            TryCatchFinally(catch=task("caught"), catch_errors=[CODE])[Aspects(**tokens(10))[task("c", 20), task("d")]],
        ]
    )

    assert ended.status == "finished"
    assert states(ended, "b", "caught") == ["failed", "finished"]
    assert ended.started == ["a", "c", "caught"]


@pytest.mark.feature("aspects.skip-remaining")
def test_with_skip_remaining_the_current_task_completes_and_later_ones_are_skipped(run: Any) -> None:
    ended = run(
        Sequence[
            Aspects(**tokens(10, on_exceeded="skip-remaining"))[task("a", 20), task("b"), Parallel[task("c")]],
            task("after"),
        ]
    )

    assert states(ended, "a", "b", "c", "after") == ["finished", "skipped", "skipped", "finished"]
    assert ended.status == "finished"


@pytest.mark.feature("aspects.warn")
def test_with_warn_everything_goes_on_and_the_log_says_so_once(rebuild: bool) -> None:
    scope = Aspects(**tokens(10, on_exceeded="warn"))
    run = InMemoryRun(Workflow("w", lambda ctx: scope[task("a"), task("b"), task("c")], None), rebuild=rebuild)

    while run.work:
        run.finish(run.work[0].n, Out(), {"input_tokens": 20})

    assert run.status == "finished"
    told = [entry.data["exceeded"] for entry in run.log if entry.data.get("exceeded")]
    about = {"kind": "tokens", "limit": 10, "current": 20, "aspects": "a:aspects", "policy": "warn"}
    assert told == [{"a:aspects:#tokens": about}]


@pytest.mark.feature("aspects.nest.inherit")
def test_all_budgets_around_a_task_hold(run: Any) -> None:
    inner = Aspects(**tokens(100))[task("b", 150), task("c", continue_on_fail=True)]
    outer = Aspects(**tokens(1000), cost_budget=CostBudget(max_usd=1))
    ended = run(outer[task("a", 100), inner, task("d", 900, 2.0), task("e")])

    assert states(ended, "b", "c", "d", "e") == ["finished", "failed", "finished", "failed"]
    assert ended.error["data"]["current"] == 1150


@pytest.mark.feature("aspects.accumulator")
def test_what_failed_attempts_and_earlier_passes_have_used_counts(rebuild: bool) -> None:
    def body(turn: Turn) -> Child:
        return task("a")

    scope = Aspects(id="all", **tokens(50))[Loop("l", until=False, max_iterations=9)[body]]
    run = InMemoryRun(Workflow("w", lambda ctx: scope, None), rebuild=rebuild)
    run.end(run.work[0].n, "failed", error={"code": "X", "message": "no"}, usage={"output_tokens": 30})
    run.finish(run.work[0].n, Out(), {"input_tokens": 19})
    assert [command.iteration for command in run.work] == ["1"]

    run.finish(run.work[0].n, Out(), {"input_tokens": 1})

    assert (run.status, run.nodes["a:2"].state) == ("failed", "failed")


@pytest.mark.feature("aspects.resume-reset")
def test_a_resumed_run_counts_anew_and_begins_with_the_task_that_got_nothing(rebuild: bool) -> None:
    scope = Aspects(**tokens(10))[task("a"), task("b"), task("c")]
    run = InMemoryRun(Workflow("w", lambda ctx: scope, None), rebuild=rebuild)
    run.finish(run.work[0].n, Out(), {"input_tokens": 10})
    assert run.status == "failed"

    run.resume()
    assert [command.node for command in run.work] == ["b"]
    run.finish(run.work[0].n, Out(), {"input_tokens": 9})

    assert [command.node for command in run.work] == ["c"]


@pytest.mark.feature("aspects.per-run")
def test_each_run_has_totals_of_its_own(rebuild: bool) -> None:
    workflow: Workflow[Any] = Workflow("w", lambda ctx: Aspects(**tokens(10))[task("a"), task("b")], None)
    for _ in range(2):
        run = InMemoryRun(workflow, rebuild=rebuild)
        run.finish(run.work[0].n, Out(), {"input_tokens": 9})
        assert [command.node for command in run.work] == ["b"]


def test_who_waits_for_a_slot_when_the_budget_is_spent_does_not_get_it(rebuild: bool) -> None:
    scope = Aspects(**tokens(10, on_exceeded="skip-remaining"))[Parallel(max_concurrency=1)[task("a"), task("b")]]
    run = InMemoryRun(Workflow("w", lambda ctx: scope, None), rebuild=rebuild)

    run.finish(run.work[0].n, Out(), {"input_tokens": 10})

    assert (run.nodes["b:"].state, run.status) == ("skipped", "finished")


# What is reserved


def in_flight(run: InMemoryRun) -> list[str]:
    return [command.node for command in run.work]


def test_parallel_tasks_do_not_go_over_together(rebuild: bool) -> None:
    scope = Aspects(**tokens(1000, per_task=400))[Parallel[(task(f"t{i}") for i in range(5))]]
    run = InMemoryRun(Workflow("w", lambda ctx: scope, None), rebuild=rebuild)
    assert in_flight(run) == ["t0", "t1"]

    run.finish(run.work[0].n, Out(), {"input_tokens": 100})
    assert in_flight(run) == ["t1", "t2"]
    run.finish(run.work[0].n, Out(), {"input_tokens": 400})
    assert in_flight(run) == ["t2"]
    run.finish(run.work[0].n, Out(), {"input_tokens": 0})
    assert in_flight(run) == ["t3"]


def test_an_estimate_goes_before_per_task_and_a_smaller_one_may_still_fit(rebuild: bool) -> None:
    small, large = Estimate(tokens=100), Estimate(tokens=700)
    scope = Aspects(**tokens(1000, per_task=400))[
        Parallel[task("a", estimate=large), task("b", estimate=large), task("c", estimate=small), task("d")]
    ]
    run = InMemoryRun(Workflow("w", lambda ctx: scope, None), rebuild=rebuild)

    assert in_flight(run) == ["a", "c"]
    run.finish(run.work[1].n, Out(), {"input_tokens": 10})
    assert in_flight(run) == ["a"]
    run.finish(run.work[0].n, Out(), {"input_tokens": 10})
    assert in_flight(run) == ["b"]


def test_what_is_larger_than_what_is_left_runs_alone_and_never_waits_for_ever(rebuild: bool) -> None:
    scope = Aspects(cost_budget=CostBudget(max_usd=1))[
        Parallel[(task(f"t{i}", estimate=Estimate(cost_usd=5)) for i in range(3))]
    ]
    run = InMemoryRun(Workflow("w", lambda ctx: scope, None), rebuild=rebuild)

    for name in ("t0", "t1", "t2"):
        assert in_flight(run) == [name]
        run.finish(run.work[0].n, Out(), {"cost_usd": 0.1})

    assert run.status == "finished"


def test_a_task_that_is_lost_or_is_being_cancelled_keeps_its_reservation_until_it_is_over(rebuild: bool) -> None:
    scope = Aspects(**tokens(1000, per_task=600))[Parallel[task("a"), task("b")]]
    run = InMemoryRun(Workflow("w", lambda ctx: scope, None), rebuild=rebuild)

    run.lose(run.work[0].n)
    assert in_flight(run) == ["a"]
    run.finish(run.work[0].n, Out(), {"input_tokens": 1})

    assert in_flight(run) == ["b"]


@pytest.mark.feature("aspects.token.perTask")
def test_a_task_that_reports_more_than_per_task_fails_where_it_reports(run: Any) -> None:
    ended = run(Aspects(**tokens(1000, per_task=100))[task("a", 101, retries=3)])

    assert (ended.status, ended.started) == ("failed", ["a"])
    assert ended.error["code"] == CODE
    assert "101 tokens" in ended.error["message"]
    assert "at most 100" in ended.error["message"]


# Time


@pytest.mark.feature("aspects.latency.maxMs", "aspects.latency.onExceeded")
@pytest.mark.parametrize("policy", ["fail", "warn"])
def test_when_the_time_is_over_the_scope_fails_or_is_warned(rebuild: bool, policy: Any) -> None:
    scope = Aspects(latency_slo=LatencySlo(max="1m", on_exceeded=policy))[task("a"), task("b")]
    run = InMemoryRun(Workflow("w", lambda ctx: scope, None), rebuild=rebuild)
    timer = next(command for command in run.work if command.kind == "timer")
    assert (timer.node, timer.delay_ms) == ("a:aspects:timeout", 60_000)

    run.fire(timer.n)

    task_a = next(command for command in run.work if command.node == "a")
    if policy == "fail":
        run.cancelled(task_a.n)
        assert run.error is not None
        assert (run.status, run.error["code"]) == ("failed", CODE)
        assert "latency_slo gives them, 1m" in run.error["message"]
    else:
        run.finish(task_a.n, Out())
        run.finish(run.work[0].n, Out())
        assert run.status == "finished"
        warned = [
            stage["warned"]["data"]
            for entry in run.log
            for stage in entry.data.get("stages", {}).values()
            if "warned" in stage and "end" not in stage
        ]
        assert warned == [{"kind": "latency", "limit": "1m", "aspects": "a:aspects"}]


@pytest.mark.feature("aspects.latency.maxMs")
def test_a_scope_that_is_quick_enough_drops_its_timer(run: Any) -> None:
    ended = run(Sequence[Aspects(latency_slo=LatencySlo(max="1h"))[task("a")], task("b")])

    assert (ended.status, ended.started) == ("finished", ["a", "b"])


@pytest.mark.feature("aspects.latency.maxMs")
def test_a_scope_whose_time_is_over_fails_while_it_waits(run: Any) -> None:
    ended = run(Aspects(latency_slo=LatencySlo(max="50ms"))[task("a"), Timer("long", duration="1h"), task("b")])

    assert (ended.status, ended.error["code"]) == ("failed", CODE)
    assert "b" not in ended.started


@pytest.mark.feature("aspects.latency.perTask")
def test_per_task_is_a_timeout_of_each_task_unless_its_own_is_shorter() -> None:
    scope = Aspects(latency_slo=LatencySlo(max="1h", per_task="10s"))
    run = start(Parallel[scope[Parallel[task("a"), task("b", timeout="1s"), task("c", timeout="1m")]], task("d")])

    found = {command.node: command.timeout_ms for command in run.work if command.kind != "timer"}
    assert found == {"a": 10_000, "b": 1_000, "c": 10_000, "d": 0}


# What is told


@pytest.mark.feature("aspects.tracking.tokens", "aspects.tracking.cost", "aspects.tracking.independent")
@pytest.mark.parametrize(
    ("tracking", "shown"),
    [
        (Tracking(), {"input_tokens": 9, "output_tokens": 3, "cost_usd": 0.5}),
        (Tracking(tokens=False), {"cost_usd": 0.5}),
        (Tracking(cost=False), {"input_tokens": 9, "output_tokens": 3}),
    ],
)
def test_what_is_not_tracked_is_not_shown_but_counts(run: Any, tracking: Tracking, shown: Json) -> None:
    ended = run(Aspects(tracking=tracking, **tokens(10))[task("a", 12, 0.5), task("b", continue_on_fail=True)])

    row = ended.store.node(ended.run_id, "a") if hasattr(ended, "store") else ended.run.nodes["a:"]
    assert row.detail["usage"] == shown
    assert ended.state("b") == "failed"


# What is refused


@pytest.mark.feature("aspects.token.max", "aspects.cost.maxUsd", "aspects.latency.maxMs")
@pytest.mark.feature("aspects.token.onExceeded", "aspects.latency.onExceeded")
@pytest.mark.parametrize(
    ("write", "why"),
    [
        (lambda: TokenBudget(max=0), "whole number, 1 or more"),
        (lambda: TokenBudget(max=10, per_task=-1), "per_task=-1"),
        (lambda: TokenBudget(max=1.5), "max=1.5"),  # type: ignore[arg-type]
        (lambda: TokenBudget(max=1, on_exceeded="stop"), "use one of fail, warn, skip-remaining"),  # type: ignore[arg-type]
        (lambda: CostBudget(max_usd=-1), "US dollars above 0"),
        (lambda: CostBudget(max_usd=float("inf")), "US dollars above 0"),
        (lambda: LatencySlo(max="0s"), "leaves no time"),
        (lambda: LatencySlo(max="-1s"), "not a duration"),
        (lambda: LatencySlo(max="1s", on_exceeded="skip-remaining"), "use one of fail, warn"),  # type: ignore[arg-type]
        (lambda: Estimate(tokens=-1), "0 or more"),
        (lambda: Aspects(token_budget=1000), "write token_budget=TokenBudget"),  # type: ignore[arg-type]
        (lambda: Aspects(**tokens(1))[lambda: task("a")], "needs an id of its own"),
        (lambda: Aspects(id="a b", **tokens(1)), "starts with a letter, digit or underscore"),
        (lambda: Task("a", output=Out, estimate=5), "write estimate=Estimate"),  # type: ignore[arg-type]
    ],
)
def test_what_makes_no_sense_is_refused_at_its_line(write: Any, why: str) -> None:
    with pytest.raises(InvalidElement, match=why) as refused:
        write()

    assert "test_aspects.py:" in str(refused.value)


def test_scopes_right_inside_each_other_are_told_apart(rebuild: bool) -> None:
    scope = Aspects(**tokens(100))[Aspects(**tokens(10))[task("a"), Approval("ask"), task("b")]]
    run = InMemoryRun(Workflow("w", lambda ctx: scope, None), rebuild=rebuild)

    run.finish(run.work[0].n, Out(), {"input_tokens": 50})
    run.decide("ask")

    assert run.error is not None
    assert run.error["data"]["limit"] == 10


def test_a_planner_that_starts_from_the_log_plans_the_same_within_budgets() -> None:
    refused = held = 0
    for seed in range(150):
        warm, events = life(seed, grow=scoped_workflow)
        cold, same = life(seed, rebuild=True, grow=scoped_workflow)
        assert events == same, f"seed {seed}"
        if warm is None or cold is None:
            continue
        assert told(warm) == told(cold), f"seed {seed}"
        assert warm.status in ("finished", "failed", "cancelled", "continued"), f"seed {seed}"
        refused += any("refused" in plan.frame for plan in warm.plans)
        held += any("charges" in plan.frame for plan in warm.plans)
    assert refused
    assert held


# What child runs use


@workflow
def costly(ctx: Context[Any]) -> Child:
    return Parallel[task("one", 400, 0.2), task("two", 300, 0.1)]


@workflow
def failing(ctx: Context[Any]) -> Child:
    return Sequence[task("one", 800), Task("two", output=Out, retries=0)[call(broken)]]


@workflow
def costly_below(ctx: Context[Any]) -> Child:
    return below("deep", costly)


def broken() -> Out:
    raise RuntimeError("broken")


def below(id: str, flow: Workflow[Any], **props: Any) -> Subflow[Out]:
    return Subflow(id, workflow=flow, output=Out, **props)


@pytest.mark.feature("aspects.accumulator", "aspects.children")
@pytest.mark.parametrize("flow", [costly, costly_below])
def test_what_a_child_run_uses_counts_where_its_node_stands(run: Any, flow: Workflow[Any]) -> None:
    ended = run(
        Parallel[
            Aspects(**tokens(700), cost_budget=CostBudget(max_usd=5))[
                below("part", flow), task("after", continue_on_fail=True)
            ],
            Aspects(cost_budget=CostBudget(max_usd=0.3))[below("other", flow), task("later")],
            task("outside"),
        ]
    )

    assert states(ended, "part", "after", "other", "later", "outside") == [
        "finished",
        "failed",
        "finished",
        "failed",
        "finished",
    ]
    assert "$0.3 are spent" in ended.error["message"]


@pytest.mark.feature("aspects.accumulator")
def test_what_a_failed_child_has_used_counts_and_a_spent_budget_begins_no_other(run: Any) -> None:
    ended = run(
        Aspects(**tokens(800))[below("part", failing, continue_on_fail=True), below("next", costly), task("after")]
    )

    assert states(ended, "part", "next") == ["failed", "failed"]
    assert ended.error["node"] == "next"
    assert ended.error["code"] == CODE


def test_a_child_that_is_resumed_tells_what_it_has_used_since(rebuild: bool) -> None:
    child = InMemoryRun(failing, rebuild=rebuild)
    child.finish(child.work[0].n, Out(), {"input_tokens": 800})
    child.end(
        child.work[0].n, "failed", error={"code": "X", "message": "x", "retryable": False}, usage={"input_tokens": 5}
    )
    assert child.status == "failed"
    assert said_above(child)["input_tokens"] == 805

    child.resume()
    child.finish(child.work[0].n, Out(), {"input_tokens": 7, "cost_usd": 0.1})

    assert child.status == "finished"
    assert said_above(child) == {"input_tokens": 7, "output_tokens": 0, "cost_usd": 0.1}


def said_above(child: InMemoryRun) -> Json:
    """What the parent of a run is told of its usage."""
    planner = child.planner
    return told_above(planner.tree.root, planner.state, child.status, child.error, "failing")["usage"]


@workflow
def lasting(ctx: Context[Any]) -> Child:
    return Timer("long", duration="1h")


@pytest.mark.feature("aspects.latency.maxMs")
def test_the_time_of_a_child_run_is_time_of_its_scope(run: Any) -> None:
    ended = run(Aspects(latency_slo=LatencySlo(max="50ms"))[below("part", lasting), task("after")])

    assert (ended.status, ended.error["code"]) == ("failed", CODE)
    assert ended.state("part") == "cancelled"
    assert "after" not in ended.started


def test_what_others_have_gone_past_stays_aside_when_there_is_no_budget_left_for_it(rebuild: bool) -> None:
    """It fails with the sequence that it stands in, and is not asked before that whether it could begin."""
    asked = task("asked", needs_approval=True, async_=True, estimate=Estimate(tokens=12))
    inner = Sequence(id="limited", timeout="1h")[asked, Task("next", output=Out)[call(Out, n=1)]]
    run = start(Aspects(id="scope", **tokens(14, per_task=5))[inner], rebuild)
    run.decide("asked", approved=True)
    n = next(command.n for command in run.work if command.node == "next")
    error = {"code": CODE, "message": "15 of 5", "data": {}, "retryable": False}
    run.end(n, "failed", error=error, usage={"input_tokens": 15, "output_tokens": 0, "cost_usd": 0})

    assert (run.status, run.error and run.error["node"]) == ("failed", "next")
    assert run.nodes["asked:"].state == "unmounted"
