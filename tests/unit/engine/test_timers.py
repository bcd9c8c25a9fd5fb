"""Timers: when they fire, what waits for them, and that nothing sets them back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from smithers import Child, Context, Loop, Parallel, Sequence, Timer, Turn, Workflow
from smithers.engine.preview import preview
from smithers.testing import simulate
from tests.unit.engine.asking import Out, task
from tests.unit.engine.by_hand import at_work, number, start


@pytest.mark.feature("timer.duration", "timer.duration.units")
@pytest.mark.parametrize(
    ("duration", "ms"),
    [
        ("500ms", 500),
        ("30s", 30_000),
        ("5m", 300_000),
        ("2h", 7_200_000),
        ("7d", 604_800_000),
        ("1h30m", 5_400_000),
        ("1.5 s", 1500),
        (timedelta(minutes=1), 60_000),
    ],
)
def test_a_timer_waits_for_a_duration(duration: Any, ms: int) -> None:
    (command,) = start(Timer("nap", duration=duration)).work

    assert (command.kind, command.node, command.delay_ms) == ("timer", "nap", ms)


@pytest.mark.feature("timer.until", "timer.target")
def test_a_timer_waits_until_a_moment_which_its_command_names() -> None:
    noon = datetime(2027, 1, 31, 12, tzinfo=UTC)

    (command,) = start(Timer("nap", until=noon)).work

    assert (command.due_ms, command.delay_ms) == (round(noon.timestamp() * 1000), 0)


@pytest.mark.feature("timer.fired", "timer.blocks-sequence", "timer.until.past", "timer.skipIf")
def test_what_comes_after_a_timer_waits_for_it_and_one_in_the_past_or_skipped_is_no_wait(run: Any) -> None:
    tree = Sequence[
        Timer("past", until="2020-01-01T00:00:00Z"),
        Timer("off", duration="9d", skip_if=True),
        task("first"),
        Timer("nap", duration="20ms"),
        task("after"),
    ]

    ended = run(tree)

    assert (ended.status, ended.started) == ("finished", ["first", "after"])
    assert [ended.state(node) for node in ("past", "off", "nap")] == ["finished", "skipped", "finished"]


@pytest.mark.feature("timer.blocks-sequence", "timer.fired", "timer.parallel", "timer.status", "timer.slot-free")
@pytest.mark.feature("run.status.waittimer")
def test_timers_beside_each_other_are_independent_and_hold_no_slot(rebuild: bool) -> None:
    lanes = Sequence[Timer("short", duration="1m"), task("a")], Sequence[Timer("long", duration="1h"), task("b")]
    run = start(Parallel(max_concurrency=1)[task("t"), *lanes], rebuild)

    assert (at_work(run), run.status) == (["t", "short", "long"], "running")
    run.finish(number(run, "t"), Out())
    assert (run.status, run.nodes["short:"].state) == ("waiting-timer", "waiting-timer")
    run.fire(number(run, "short"))
    assert at_work(run) == ["long", "a"]
    assert run.nodes["short:"].state == "finished"
    run.finish(number(run, "a"), Out())
    assert run.status == "waiting-timer"
    run.fire(number(run, "long"))
    assert at_work(run) == ["b"]


@pytest.mark.feature("timer.target", "timer.restart-safe")
def test_the_time_is_fixed_once_whatever_is_rendered_or_restarted(rebuild: bool) -> None:
    def make(ctx: Context[Any]) -> Child:
        def nap() -> Child:
            seconds = 60 if ctx.output_maybe(Out, "a") is None else 5
            return Timer("nap", duration=timedelta(seconds=seconds))

        return Parallel[task("a"), nap]

    run = start(make, rebuild)
    (n,) = (command.n for command in run.work if command.kind == "timer")
    due = run.due_ms[n]

    run.finish(number(run, "a"), Out())

    assert [command.n for command in run.work] == [n]
    assert run.due_ms[n] == due > 60_000


@pytest.mark.feature("timer.dependsOn", "timer.needs")
def test_a_timer_begins_to_count_when_what_it_needs_is_done(rebuild: bool) -> None:
    run = start(
        Parallel[Timer("nap", duration="1m", depends_on=["a"], needs={"other": "b"}), task("a"), task("b")], rebuild
    )

    assert at_work(run) == ["a", "b"]
    run.finish(number(run, "a"), Out())
    assert at_work(run) == ["b"]
    run.finish(number(run, "b"), Out())
    assert at_work(run) == ["nap"]


@pytest.mark.feature("timer.loop-reset", "timer.loop-dynamic")
def test_each_pass_of_a_loop_has_a_timer_of_its_own(rebuild: bool) -> None:
    def step(turn: Turn) -> Child:
        return [Timer("nap", duration="30m" if turn.iteration else "5m"), task("look")]

    run = start(Loop("poll", until=lambda: False, max_iterations=2)[step], rebuild)
    seen: list[tuple[str, int]] = []
    while not run.is_over:
        (command,) = run.work
        if command.kind == "timer":
            seen.append((command.iteration, command.delay_ms))
            run.fire(command.n)
        else:
            run.finish(command.n, Out())

    assert seen == [("0", 300_000), ("1", 1_800_000)]


@pytest.mark.feature("timer.no-output")
def test_others_wait_for_a_timer_though_it_has_nothing_to_say() -> None:
    ended = simulate(
        Workflow("w", lambda ctx: Parallel[task("late", depends_on=["nap"]), Timer("nap", duration="1h")], None)
    )

    assert (ended.status, ended.started) == ("finished", ["late"])
    assert timedelta(hours=1) <= ended.elapsed < timedelta(hours=1, seconds=1)


@pytest.mark.feature("timer.label", "timer.meta", "timer.id")
def test_a_timer_is_shown_with_its_label_and_metadata() -> None:
    def make(ctx: Context[Any]) -> Child:
        return Parallel[
            Timer("nap", duration="1h", meta={"why": "quiet"}), Timer("b", until="2030-01-01T00:00:00Z", label="B")
        ]

    (group,) = preview(Workflow("w", make, None), {})["children"]
    row = start(make).nodes["nap:"]

    assert [(one["kind"], one["id"], one["label"]) for one in group["children"]] == [
        ("timer", "nap", "timer:nap"),
        ("timer", "b", "B"),
    ]
    assert group["children"][0]["meta"] == {"why": "quiet"}
    assert (row.label, row.detail) == ("timer:nap", {"meta": {"why": "quiet"}})


@pytest.mark.feature("timer.cancel")
def test_a_cancelled_run_cancels_its_timers(rebuild: bool) -> None:
    run = start(Parallel[Timer("nap", duration="1h"), Timer("b", duration="1d")], rebuild)

    run.cancel()

    assert (run.status, run.work) == ("cancelled", [])
    assert {run.nodes["nap:"].state, run.nodes["b:"].state} == {"cancelled"}
