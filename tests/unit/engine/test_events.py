"""Waits for events: what is taken by whom, in which order, and what happens when nothing comes."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, Field, field_validator

from smithers import (
    Approval,
    Child,
    Context,
    Loop,
    Parallel,
    Sequence,
    Signal,
    Task,
    Timer,
    WaitForEvent,
    Workflow,
    call,
    workflow,
)
from smithers.engine.entry import Entry
from smithers.engine.inbox import Sent
from smithers.engine.plan import Planner
from smithers.engine.preview import preview
from smithers.errors import InvalidElement, InvalidInput, WrongState
from smithers.testing import InMemoryRun, simulate
from tests.unit.engine.by_hand import start

pytestmark = pytest.mark.decision("0010")


class Deploy(BaseModel):
    sha: str
    n: int = 0


class Out(BaseModel):
    n: int = 0


def work(n: int = 0) -> Out:
    return Out(n=n)


def grown(deploy: Deploy) -> Out:
    return Out(n=deploy.n + 1)


def task(id: str, **props: Any) -> Task[Out]:
    return Task(id, output=Out, **props)[work]


def wait(id: str = "deploy", **props: Any) -> WaitForEvent[Any]:
    return WaitForEvent(id, **{"event": "deployed", "output": Deploy, **props})


@pytest.fixture
def begin(rebuild: bool) -> Any:
    return lambda tree: start(tree, rebuild)


def states(run: InMemoryRun) -> dict[str, str]:
    return {row.node: row.state for row in run.nodes.values()}


# What is taken


@pytest.mark.feature("waitforevent.id", "waitforevent.event", "waitforevent.output", "waitforevent.delivery")
def test_the_payload_becomes_the_output_and_what_comes_after_goes_on(run: Any) -> None:
    tree = Sequence[
        WaitForEvent("deploy", event="deploy.completed", output=Deploy),
        Task("after", output=Out, deps={"deploy": Deploy})[grown],
    ]

    ended = run(tree, signals={"deploy.completed": Deploy(sha="abc", n=4)})

    assert ended.status == "finished"
    assert ended.output(Deploy, "deploy") == Deploy(sha="abc", n=4)
    assert ended.output(Out, "after").n == 5


@pytest.mark.feature(
    "waitforevent.status", "waitforevent.leaf", "sched.state.waitevent", "run.status.waitevent", "waitforevent.label"
)
def test_the_run_and_the_node_wait_for_the_event(begin: Any) -> None:
    run = begin(Sequence[wait(), task("after")])

    assert run.status == "waiting-event"
    assert states(run) == {"deploy": "waiting-event", "after": "pending"}
    assert run.nodes["deploy:"].label == "wait:deployed"


@pytest.mark.feature("waitforevent.subscription", "waitforevent.restart-safe")
def test_the_subscription_is_in_the_log_and_a_planner_that_starts_there_takes_the_event() -> None:
    run = start(Sequence[wait(correlation_id="pr-7")], rebuild=True)

    assert run.plans[-1].frame["waits"] == {"deploy:": ["deployed", "pr-7"]}
    run.signal("deployed", Deploy(sha="a"), correlation="pr-7")
    assert run.status == "finished"


@pytest.mark.feature("waitforevent.early-event", "waitforevent.consume-once")
def test_an_early_event_is_kept_and_taken_once_by_the_first_wait_that_comes(begin: Any) -> None:
    run = begin(Sequence[task("first"), wait("one"), wait("two")])

    run.signal("deployed", Deploy(sha="early"))
    run.finish(run.work[0].n, Out())

    assert run.output(Deploy, "one").sha == "early"
    assert states(run)["two"] == "waiting-event"
    run.signal("deployed", Deploy(sha="late"))
    assert run.output(Deploy, "two").sha == "late"


@pytest.mark.feature("inbox.signal.order", "waitforevent.parallel")
def test_events_go_in_order_of_arrival_to_the_wait_that_has_lasted_longest(begin: Any) -> None:
    run = begin(Parallel[Sequence[task("slow"), wait("younger")], wait("older")])
    run.finish(run.work[0].n, Out())

    run.paused = True
    run.signal("deployed", Deploy(sha="1"))
    run.paused = False
    run.signal("deployed", Deploy(sha="2"))

    assert (run.output(Deploy, "older").sha, run.output(Deploy, "younger").sha) == ("1", "2")


@pytest.mark.feature("waitforevent.correlationId", "signal.correlationId")
def test_a_wait_with_a_correlation_id_takes_only_its_own_and_one_without_takes_any(begin: Any) -> None:
    run = begin(
        Parallel[wait("mine", correlation_id="pr-1"), wait("any"), Signal("s", output=Deploy, correlation_id="x")]
    )

    run.signal("deployed", Deploy(sha="other"), correlation="pr-2")
    assert run.output(Deploy, "any").sha == "other"
    run.signal("deployed", Deploy(sha="none"))
    assert states(run)["mine"] == "waiting-event"
    run.signal("deployed", Deploy(sha="own"), correlation="pr-1")
    assert run.output(Deploy, "mine").sha == "own"
    run.signal("s", Deploy(sha="y"), correlation="y")
    assert run.status == "waiting-event"
    run.signal("s", Deploy(sha="x"), correlation="x")
    assert run.status == "finished"


def test_the_frame_says_which_signal_was_taken(begin: Any) -> None:
    run = begin(Sequence[wait()])

    position = run.signal("deployed", Deploy(sha="a"))

    assert run.plans[-1].frame["events"] == {"deploy:": {"signal": position, "name": "deployed"}}
    assert (run.nodes["deploy:"].detail or {})["signal"] == position


@pytest.mark.feature("waitforevent.consume-once")
def test_a_loop_takes_one_event_in_each_pass(run: Any) -> None:
    def tree(ctx: Context[Any]) -> Child:
        return Loop("rounds", until=lambda: ctx.iteration_count("deploy") >= 3)[wait]

    ended = run(tree, signals={"deployed": [Deploy(sha=sha) for sha in "abc"]})

    assert [ended.output(Deploy, "deploy", str(turn)).sha for turn in range(3)] == ["a", "b", "c"]


# What does not fit


@pytest.mark.feature("waitforevent.outputSchema")
def test_a_payload_that_does_not_fit_is_refused_while_somebody_waits_and_names_the_field(begin: Any) -> None:
    run = begin(Sequence[wait()])
    before = len(run.log)

    with pytest.raises(
        InvalidInput, match=r"'deployed' does not fit Deploy, which 'deploy' waits for: sha: it is missing; n: "
    ):
        run.signal("deployed", {"n": "three"})

    assert len(run.log) == before
    assert run.status == "waiting-event"


@pytest.mark.feature("waitforevent.outputSchema")
def test_an_early_payload_that_does_not_fit_is_told_and_is_in_nobodys_way(begin: Any) -> None:
    run = begin(Sequence[task("first"), wait(), task("after")])
    position = run.signal("deployed", {"sha": 5})

    run.finish(run.work[0].n, Out())

    assert (run.status, states(run)["deploy"]) == ("waiting-event", "waiting-event")
    unfit = (run.nodes["deploy:"].detail or {})["unfit"]
    assert [(one["seq"], one["why"].partition(":")[0]) for one in unfit] == [(position, "sha")]
    run.signal("deployed", Deploy(sha="good"))
    assert run.output(Deploy, "deploy").sha == "good"


class Picky(BaseModel):
    sha: str = Field(pattern="^[0-9a-f]+$")

    @field_validator("sha")
    @classmethod
    def known(cls, value: str) -> str:
        if value == "bad":
            raise KeyError("not a ValueError")
        return value


@pytest.mark.feature("waitforevent.outputSchema")
def test_whatever_the_models_own_validators_raise_the_run_waits_on(begin: Any) -> None:
    run = begin(Sequence[wait(output=Picky)])

    run.signal("deployed", {"sha": "bad"})

    assert run.status == "waiting-event"
    assert "KeyError" in (run.nodes["deploy:"].detail or {})["unfit"][0]["why"]
    with pytest.raises(InvalidInput, match="does not match"):
        run.signal("deployed", {"sha": "XYZ"})


@pytest.mark.feature("waitforevent.event")
def test_an_event_that_nobody_waits_for_changes_nothing(begin: Any) -> None:
    run = begin(Sequence[task("only")])

    run.signal("nobody", {"anything": 1})

    assert [command.node for command in run.work] == ["only"]
    run.finish(run.work[0].n, Out())
    assert run.status == "finished"
    with pytest.raises(WrongState):
        run.signal("nobody")


# When nothing comes


@pytest.mark.feature("waitforevent.timeoutMs", "waitforevent.onTimeout.fail")
def test_a_wait_fails_when_its_time_is_over(run: Any) -> None:
    ended = run(Sequence[wait(timeout="50ms"), task("after")])

    assert ended.status == "failed"
    assert ended.error["code"] == "EVENT_TIMEOUT"
    assert "no event 'deployed' came within 50ms" in ended.error["message"]
    assert ended.started == []


@pytest.mark.feature("waitforevent.onTimeout.skip")
def test_a_wait_that_is_skipped_counts_as_done_and_who_needs_it_is_skipped_too(run: Any) -> None:
    tree = Sequence[
        wait(timeout="50ms", on_timeout="skip"),
        task("after"),
        Task("needs", output=Out, deps={"deploy": Deploy})[grown],
    ]

    ended = run(tree)

    assert ended.status == "finished"
    assert ended.started == ["after"]
    assert (ended.state("deploy"), ended.state("needs")) == ("skipped", "skipped")


@pytest.mark.feature("waitforevent.onTimeout.continue")
def test_a_wait_that_continues_has_the_models_defaults_as_output(run: Any) -> None:
    tree = Sequence[
        wait(output=Out, timeout="50ms", on_timeout="continue"),
        Task("after", output=Out, deps={"deploy": Out})[lambda deploy: Out(n=deploy.n + 1)],
    ]

    ended = run(tree)

    assert (ended.status, ended.output(Out, "after").n) == ("finished", 1)


@pytest.mark.feature("signal.timeoutMs", "signal.onTimeout")
def test_a_signals_time_is_limited_in_the_same_way() -> None:
    ended = simulate(
        Workflow("w", lambda ctx: Sequence[Signal("go", output=Deploy, timeout="1h", on_timeout="skip")], None)
    )

    assert (ended.status, ended.state("go")) == ("finished", "skipped")
    assert ended.elapsed.total_seconds() == pytest.approx(3600, abs=1)


@pytest.mark.parametrize("first", ["signal", "expiry"])
@pytest.mark.feature("waitforevent.timeoutMs")
def test_of_a_signal_and_the_expiry_the_first_in_the_log_wins(begin: Any, first: str) -> None:
    run = begin(Sequence[wait(timeout="1m")])
    run.paused = True
    fire = lambda: run.fire(run.work[0].n)  # noqa: E731
    send = lambda: run.signal("deployed", Deploy(sha="a"))  # noqa: E731

    for happen in (send, fire) if first == "signal" else (fire, send):
        happen()
    run.paused = False
    run.plan()

    assert run.status == ("finished" if first == "signal" else "failed")


@pytest.mark.feature("waitforevent.timeoutMs")
def test_an_event_ends_the_deadline_too(begin: Any) -> None:
    run = begin(Sequence[wait(timeout="1m"), Approval("ask", title="?")])

    run.signal("deployed", Deploy(sha="a"))

    assert run.status == "waiting-approval"
    assert [command.kind for command in run.work] == []
    assert run.planner.in_flight == 0


def test_a_run_that_failed_by_timeout_waits_again_when_it_is_resumed(begin: Any) -> None:
    run = begin(Sequence[wait(timeout="1m")])
    run.fire(run.work[0].n)
    assert run.status == "failed"

    run.resume()

    assert (run.status, [command.kind for command in run.work]) == ("waiting-event", ["timer"])
    run.signal("deployed", Deploy(sha="a"))
    assert run.status == "finished"


def test_a_failing_group_withdraws_its_waits_and_their_deadlines(begin: Any) -> None:
    run = begin(Parallel[task("bad", retries=0), wait("one", timeout="1m"), wait("two")])

    run.fail(run.work[0].n)

    assert run.status == "failed"
    assert (states(run)["one"], states(run)["two"]) == ("cancelled", "cancelled")
    assert run.work == []


def test_a_cancelled_run_takes_no_event_and_drops_the_deadline(begin: Any) -> None:
    run = begin(Sequence[wait(timeout="1m")])

    run.cancel()

    assert (run.status, states(run)["deploy"], run.work) == ("cancelled", "cancelled", [])


# Beside the flow


@pytest.mark.feature("waitforevent.async", "waitforevent.async.deps", "signal.async")
@pytest.mark.parametrize("element", [WaitForEvent, Signal])
def test_an_async_wait_lets_what_does_not_need_it_go_on(run: Any, element: Any) -> None:
    props: dict[str, Any] = {"event": "deployed"} if element is WaitForEvent else {}
    tree = Sequence[
        Sequence[element("deployed", output=Deploy, async_=True, **props)],
        task("beside"),
        Task("needs", output=Out, deps={"deployed": Deploy})[lambda deployed: Out(n=deployed.n + 1)],
        task("last"),
    ]

    ended = run(tree, signals={"deployed": [Deploy(sha="a", n=1)]})

    assert ended.started == ["beside", "needs", "last"]
    assert ended.output(Out, "needs").n == 2


def test_the_order_of_an_async_wait_and_what_goes_past_it(begin: Any) -> None:
    run = begin(Sequence[wait(async_=True), task("beside"), task("next")])

    assert (run.status, [command.node for command in run.work]) == ("running", ["beside"])
    run.finish(run.work[0].n, Out())
    run.finish(run.work[0].n, Out())
    assert run.status == "waiting-event"
    run.signal("deployed", Deploy(sha="a"))
    assert run.status == "finished"


def test_an_async_wait_that_fails_late_fails_the_sequence_and_nothing_new_starts(begin: Any) -> None:
    run = begin(Sequence[wait(async_=True, timeout="1m"), task("beside"), task("next")])
    timer = next(command for command in run.work if command.kind == "timer")

    run.fire(timer.n)

    assert run.status == "running"
    run.finish(run.work[0].n, Out())
    assert (run.status, (run.error or {})["code"]) == ("failed", "EVENT_TIMEOUT")
    assert states(run)["next"] == "pending"


def test_a_failed_sequence_waits_for_no_async_event(begin: Any) -> None:
    run = begin(Sequence[wait(async_=True), task("bad", retries=0)])

    run.fail(run.work[0].n)

    assert (run.status, states(run)["deploy"]) == ("failed", "cancelled")


def test_a_late_failure_withdraws_what_has_gone_past_the_wait(begin: Any) -> None:
    run = begin(Sequence[wait(async_=True, timeout="1m"), Timer("long", duration="1d")])

    run.fire(next(command.n for command in run.work if command.node == "deploy"))

    assert (run.status, states(run)["long"], run.work) == ("failed", "cancelled", [])


@pytest.mark.feature("waitforevent.async")
def test_a_loops_pass_ends_when_its_async_events_have_come(begin: Any) -> None:
    def tree(ctx: Context[Any]) -> Child:
        return Loop("rounds", until=lambda: ctx.iteration_count("deploy") >= 1)[lambda: [wait(async_=True), task("t")]]

    run = begin(tree)
    run.finish(run.work[0].n, Out())

    assert run.status == "waiting-event"
    run.signal("deployed", Deploy(sha="a"))
    assert run.status == "finished"


@pytest.mark.feature("signal.async")
def test_the_function_of_an_async_signal_takes_its_place_once_the_payload_is_there(begin: Any) -> None:
    tree = Sequence[
        Signal("fb", output=Out, async_=True)[lambda fb: Task("told", output=Out)[call(work, fb.n)]],
        task("beside"),
        task("next"),
    ]
    run = begin(tree)

    run.signal("fb", Out(n=7))
    assert [command.node for command in run.work] == ["beside", "told"]
    run.finish(run.work[0].n, Out())
    assert states(run)["next"] == "pending"
    run.finish(run.work[0].n, Out(n=7))
    run.finish(run.work[0].n, Out())
    assert run.status == "finished"


# Signals


@pytest.mark.feature("signal.wrap", "signal.id", "signal.schema", "signal.children", "signal.label")
def test_a_signals_function_renders_only_with_a_payload_and_gets_it(run: Any) -> None:
    seen: list[Deploy] = []

    def render(deploy: Deploy) -> Child:
        seen.append(deploy)
        return Task("told", output=Out)[call(work, deploy.n)]

    ended = run(
        Sequence[Signal("feedback", output=Deploy)[render], task("after")], signals={"feedback": Deploy(sha="a", n=3)}
    )

    assert ended.started == ["told", "after"]
    assert ended.output(Out, "told").n == 3
    assert set(map(type, seen)) == {Deploy}


@pytest.mark.feature("signal.no-children")
def test_a_signal_without_a_function_is_a_typed_wait(run: Any) -> None:
    ended = run(Sequence[Signal("go", output=Deploy), task("after")], signals={"go": Deploy(sha="a")})

    assert (ended.status, ended.started) == ("finished", ["after"])


@pytest.mark.feature("signal.skipIf")
def test_a_skipped_signal_renders_nothing() -> None:
    def never(_: Deploy) -> Child:
        raise AssertionError

    ended = simulate(
        Workflow("w", lambda ctx: Sequence[Signal("go", output=Deploy, skip_if=True)[never], task("t")], None)
    )

    assert (ended.status, ended.started) == ("finished", ["t"])


# As it is written


@pytest.mark.feature("waitforevent.skipIf", "signal.skipIf")
@pytest.mark.parametrize("element", [wait(skip_if=True), Signal("deploy", output=Deploy, skip_if=True)])
def test_a_wait_may_be_skipped(element: Any) -> None:
    ended = simulate(Workflow("w", lambda ctx: Sequence[element, task("after")], None))

    assert (ended.state("deploy"), ended.started) == ("skipped", ["after"])


@pytest.mark.feature("waitforevent.dependsOn", "waitforevent.needs", "signal.dependsOn", "signal.needs")
@pytest.mark.parametrize("props", [{"depends_on": ["first"]}, {"needs": {"before": "first"}}])
@pytest.mark.parametrize("element", [WaitForEvent, Signal])
def test_a_wait_opens_after_what_it_depends_on(begin: Any, props: Any, element: Any) -> None:
    event: dict[str, Any] = {"event": "e"} if element is WaitForEvent else {}
    run = begin(Parallel[element("w", output=Deploy, **event, **props), task("first")])

    assert states(run)["w"] == "pending"
    run.finish(run.work[0].n, Out())
    assert states(run)["w"] == "waiting-event"


@pytest.mark.feature("waitforevent.meta", "signal.meta")
def test_metadata_and_label_are_kept() -> None:
    signal = Signal("s", output=Deploy, meta={"team": "a"}, label="Feedback")

    assert (signal.meta, signal.label, Signal("s", output=Deploy).label) == ({"team": "a"}, "Feedback", "signal:s")
    assert wait(meta={"x": 1}).meta == {"x": 1}


@pytest.mark.feature("waitforevent.no-retry")
@pytest.mark.parametrize("prop", ["retries", "continue_on_fail"])
def test_a_wait_is_not_retried_and_its_failure_not_tolerated(prop: str) -> None:
    with pytest.raises(TypeError, match=prop):
        WaitForEvent("w", event="e", output=Deploy, **{prop: 1})  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda: wait(event=""), "event='': give a text"),
        (lambda: wait(event=" x"), "without blanks"),
        (lambda: wait(output=int), "not a pydantic model class"),
        (lambda: wait(timeout="soon"), "not a duration"),
        (lambda: wait(on_timeout="wait"), "use fail, skip or continue"),
        (lambda: wait(on_timeout="skip"), "on_timeout='skip' never comes: say after how long with timeout"),
        (lambda: wait(on_timeout="continue", timeout="1h"), "without any data, but sha would be missing"),
        (lambda: wait(correlation_id=""), "correlation_id=''"),
        (lambda: wait()[task("t")], "takes no children"),
        (lambda: Signal("s", output=Deploy)[task("t")], "give one function"),
        (lambda: Signal("s", output=Deploy)[lambda: None], "give one function"),
        (lambda: Signal("bad id", output=Deploy), "an id is"),
    ],
)
def test_what_makes_no_sense_is_refused_where_it_is_written(write: Any, message: str) -> None:
    with pytest.raises(InvalidElement, match=message) as refused:
        write()

    assert __file__ in refused.value.message


@pytest.mark.feature("waitforevent.id", "signal.id")
@pytest.mark.parametrize("element", [WaitForEvent, Signal])
def test_the_id_of_a_wait_can_name_a_node(element: Any) -> None:
    event: dict[str, Any] = {"event": "e"} if element is WaitForEvent else {}

    assert element("w", output=Deploy, **event).id == "w"
    with pytest.raises(InvalidElement, match=rf"{element.__name__}\('bad id'\): an id is"):
        element("bad id", output=Deploy, **event)


def test_the_first_tree_shows_the_wait_and_what_will_render_after_it() -> None:
    tree = Sequence[Signal("fb", output=Deploy, correlation_id="c")[lambda fb: None]]

    signal, part = preview(Workflow("w", lambda ctx: tree, None), {})["children"][0]["children"][0]["children"]

    assert (signal["kind"], signal["output"], signal["event"], signal["correlation"]) == ("signal", "Deploy", "fb", "c")
    assert part["waits_for"] == "fb"


def test_a_timer_and_an_event_in_parallel_wait_for_the_event(begin: Any) -> None:
    run = begin(Parallel[Timer("t", duration="1m"), wait()])

    assert run.status == "waiting-event"
    run.signal("deployed", Deploy(sha="a"))
    assert run.status == "waiting-timer"


@workflow
def waits_for_a_while(ctx: Context[Any]) -> Child:
    return WaitForEvent("news", event="go", output=Out, timeout="1h", on_timeout="continue")


def test_a_deadline_that_falls_due_while_an_event_is_planned_changes_nothing() -> None:
    run = InMemoryRun(waits_for_a_while)
    log = list(run.log)
    event, n = Sent("go", {"n": 1}, None, "ann", 1).fact, log[-1].data["commands"][0][0]
    log.append(Entry(len(log) + 1, event.kind, event.key, event.data, 0))
    warm = Planner.build(waits_for_a_while, run.run_id, log)
    plan = warm.plan()
    assert plan is not None
    about = {"n": n, "node": "news", "iteration": ""}
    between = [
        Entry(len(log) + 1, "fired", f"fired:{n}", about, 0),
        Entry(len(log) + 2, "frame", plan.key, plan.frame, 0),
    ]

    warm.stored(between)

    cold = Planner.build(waits_for_a_while, run.run_id, [*log, *between])
    assert warm.state.nodes["news:"].output == cold.state.nodes["news:"].output == {"n": 1}
