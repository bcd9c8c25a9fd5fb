"""What operators store: pauses, and resets of nodes; and what they mean for facts, plans and projections."""

from __future__ import annotations

import pytest

from smithers.engine.entry import Fact, LogEnds, OpenCommand, OpenRun
from tests.conformance.store.make import Maker, command, fact, node

pytestmark = pytest.mark.decision("0015", "0016")


def pause(nth: int) -> Fact:
    return Fact("paused", f"paused:{nth}", {}, OpenRun(paused=False))


def unpause(nth: int) -> Fact:
    return Fact("unpaused", f"unpaused:{nth}", {}, OpenRun(paused=True))


def end(n: int, name: str, outcome: str) -> Fact:
    data = {"n": n, "node": name, "iteration": "0", "attempt": 1, "outcome": outcome}
    return Fact("ended", f"ended:{name}:0:a1", data, OpenCommand(n))


def test_a_run_is_paused_once_at_a_time(run: Maker) -> None:
    assert run.append(unpause(1), pause(1), pause(2)).outcomes == ("rejected", "stored", "rejected")
    assert run.row.status == "paused"
    assert run.append(unpause(1), unpause(2)).outcomes == ("stored", "rejected")
    assert run.row.status == "running"


def test_in_a_pause_no_body_begins_and_ends_are_stored_and_shown(run: Maker) -> None:
    commands = command(1, "a"), command(2, "b")
    run.plan(*commands, nodes=(node("a", "running"), node("b", "running")))
    run.append(pause(1))
    begins = Fact("claim", "claim:a:0:a1:1", {}, OpenCommand(1, closes=False, begins=True))
    assert run.append(begins, end(1, "a", "finished"), end(2, "b", "failed")).outcomes == (
        "rejected",
        "stored",
        "stored",
    )
    rows = {row.node: row for row in run.store.nodes(run.id)}
    assert (rows["a"].state, rows["a"].ended_ms > 0) == ("finished", True)
    assert (rows["b"].state, rows["b"].ended_ms) == ("pending", 0)


def test_a_cancel_ends_a_pause(run: Maker) -> None:
    run.append(pause(1), Fact("cancel", "cancel", {}, OpenRun()))
    assert run.row.status == "running"


def test_a_fact_that_says_where_the_log_ends_is_stored_only_there(run: Maker) -> None:
    head = run.row.head
    assert run.append(fact("a"), fact("b", LogEnds(head))).outcomes == ("stored", "rejected")
    assert run.append(fact("c", LogEnds(head + 1))).outcomes == ("stored",)


def test_a_reset_shows_its_nodes_as_pending_and_closes_their_timers(run: Maker) -> None:
    timer = command(1, "t", kind="timer")
    run.plan(timer, nodes=(node("a", "finished"), node("t", "waiting-timer"), node("x", "finished")))
    data = {"node": "a", "iteration": "0", "reset": ["a:0", "t:0"], "closed": [1], "absent": {}}
    assert run.append(Fact("retried", "retried:a:0:1", data, LogEnds(run.row.head))).outcomes == ("stored",)
    rows = {row.node: row.state for row in run.store.nodes(run.id)}
    assert rows == {"a": "pending", "t": "pending", "x": "finished"}
    assert run.store.open_commands(run.id) == []
