"""What people see of a task that waits for its turn in a queue that runs share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from smithers.cli.views.why import explain
from smithers.engine.command import Command
from smithers.store.memory import MemoryStore
from tests.conformance.store.make import Maker, node


@pytest.fixture
def store() -> Iterator[MemoryStore]:
    store = MemoryStore()
    yield store
    store.close()


def waiting(store: MemoryStore, run: str) -> Maker:
    made = Maker.start(store, run)
    ticket = {"queue": "deploys", "limit": 1, "priority": 3}
    made.plan(Command(1, "turn", "ship", "", 1, payload=ticket), nodes=(node("ship", "waiting-queue", ""),))
    return made


def test_why_says_who_has_the_slots_and_how_many_are_before(store: MemoryStore) -> None:
    for run in ("first", "second", "third"):
        waiting(store, run)

    why = explain(store, store.run("third"), has_worker=False)

    assert why.summary == "It waits for its turn in a queue."
    [reason] = why.reasons
    assert reason.wire() | {"since": ""} == {
        "kind": "turn",
        "text": "ship waits for its turn in queue 'deploys', of which 1 may run: 1 before it.\n"
        "ship of run first has a slot.",
        "nodeId": "ship",
        "iteration": "0",
        "since": "",
        "unblock": "a task of the queue ends",
        "command": "smithers why first",
        "queue": "deploys",
        "limit": 1,
        "before": 1,
        "holders": [{"runId": "first", "nodeId": "ship", "iteration": "0"}],
    }
