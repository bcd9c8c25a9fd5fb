"""Generated workflows live through kills, zombies, lost answers and decisions, on the real store and the real steps.

`scripts/simulate` tells many more seeds."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from smithers.engine.frame import Plan
from smithers.engine.plan import Planner
from smithers.store import sql, turns
from smithers.store.appending import Log
from smithers.store.database import Connection
from tests.simulation.shrinking import failure, shrunk
from tests.simulation.world import Faults, tell

SEEDS = range(150)
QUIET = Faults(**dict.fromkeys(Faults.__dataclass_fields__, 0.0))


@pytest.mark.timeout(240)
def test_nothing_is_lost_or_doubled_whatever_happens() -> None:
    for seed in SEEDS:
        found = failure(seed)
        assert found is None, str(shrunk(found)) if found else ""


@pytest.mark.timeout(60)
@pytest.mark.parametrize("seed", [100492, 100969])
def test_what_is_cancelled_again_makes_nobody_render_again(seed: int) -> None:
    """A part that read its own withdrawn child was rendered for ever, as each rendering withdrew it anew."""
    assert failure(seed) is None


MEANWHILE = {"signal", "decided", "ended", "fired", "paused", "unpaused", "cancel", "amended", "claim"}
"""Some of the facts that are to land between a plan and its frame; `tests/unit/engine/test_properties.py` has all."""


@pytest.mark.timeout(240)
def test_there_is_harm_of_every_kind_and_facts_overtake_plans() -> None:
    harm, overtaken = Counter[str](), Counter[str]()
    for seed in range(120):
        world = tell(seed)
        harm += world.harm
        overtaken += world.overtaken
    assert overtaken.keys() >= MEANWHILE, sorted(MEANWHILE - overtaken.keys())
    assert {
        "kills",
        "stops",
        "shutdowns",
        "deliveries given up",
        "answers lost",
        "redrives",
        "cancels",
        "pauses",
        "amends",
        "retries",
        "resumes",
        "code edits",
        "bodies that die",
    } <= harm.keys()


def test_a_seed_is_always_the_same_story() -> None:
    assert tell(17).story == tell(17).story


def test_a_quiet_story_has_no_harm() -> None:
    assert not tell(5, QUIET).harm


def test_a_planner_that_forgets_a_command_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    make_plan = Planner.make_plan

    def forgetful(self: Planner) -> Plan:
        plan = make_plan(self)
        if plan.number == 2:
            plan.frame["commands"] = plan.frame["commands"][:-1]
        return plan

    monkeypatch.setattr(Planner, "make_plan", forgetful)
    assert any(failure(seed, QUIET) for seed in range(20))


def test_a_queue_that_has_too_many_slots_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def next_one(connection: Connection, queue: str) -> Any:
        return connection.execute(sql.FIRST_WAITING, (queue,)).fetchone()

    monkeypatch.setattr(turns, "first_waiting", next_one)
    assert any(failure(seed, QUIET) for seed in range(20))


def test_a_slot_that_is_never_given_back_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def keep(*_: Any) -> None:
        pass

    monkeypatch.setattr(Log, "leave_queue", keep)
    assert any(failure(seed, QUIET) for seed in range(20))
