"""Drivers of every release can be carried on by this one: their histories replay without a difference."""

from __future__ import annotations

import asyncio
import base64
import gzip
import re
from pathlib import Path
from typing import Any

import pytest
from temporalio import workflow
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner

from smithers.temporal import driver
from smithers.temporal.driver import Driver, LongTask
from smithers.temporal.order import Answer, Order
from tests.flows.crashed import SCENARIOS

HISTORIES = sorted((Path(__file__).parent / "histories").glob("*.json.gz"))
MOST_BYTES = 1_000_000
"""Of all releases. When it is too much, those of releases go that nobody can upgrade from any more."""


def text_of(path: Path) -> str:
    return gzip.decompress(path.read_bytes()).decode()


def test_there_are_histories_of_everything_a_driver_does() -> None:
    scenarios = {path.name.partition("-")[0] for path in HISTORIES}
    assert scenarios >= {"burst", "isolated", "asking", "takeover", "continued", "cancelled", "native", "elsewhere"}
    assert scenarios >= {f"tree_{name}" for name in SCENARIOS}
    assert sum(path.stat().st_size for path in HISTORIES) < MOST_BYTES
    assert sum(path.name.startswith("continued") for path in HISTORIES) >= 3


@pytest.mark.parametrize("path", HISTORIES, ids=lambda path: path.stem)
def test_a_recorded_history_replays(path: Path) -> None:
    history = WorkflowHistory.from_json(path.stem, text_of(path))
    replayer = Replayer(workflows=[Driver, LongTask], workflow_runner=UnsandboxedWorkflowRunner())
    asyncio.run(replayer.replay_workflow(history))


@pytest.mark.parametrize("path", HISTORIES, ids=lambda path: path.stem)
def test_a_history_holds_no_word_of_the_authors(path: Path) -> None:
    """Temporal sees numbers, kinds, queues and times: no inputs, no outputs, no names of nodes."""
    payloads = [base64.b64decode(data).decode() for data in re.findall(r'"data": "([^"]*)"', text_of(path))]
    assert any('"epoch"' in payload for payload in payloads)
    for word in ("/work", "folder", "approved", '"node"', "g0", "t0"):
        assert not any(word in payload for payload in payloads)


@pytest.mark.parametrize("name", ["tree_loop", "tree_race", "asking"])
def test_a_driver_that_does_something_else_does_not_replay(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """What the tests above are worth: a step under another name is not the step that was recorded."""
    path = next(path for path in HISTORIES if path.name.startswith(f"{name}-"))
    unchanged = driver.step

    async def renamed(order: Order, activity_id: str, **more: Any) -> Answer:
        return await unchanged(order, activity_id.replace("step", "stage").replace("fetch", "get"), **more)

    monkeypatch.setattr(driver, "step", renamed)
    history = WorkflowHistory.from_json(path.stem, text_of(path))
    replayer = Replayer(workflows=[Driver, LongTask], workflow_runner=UnsandboxedWorkflowRunner())

    with pytest.raises(workflow.NondeterminismError):
        asyncio.run(replayer.replay_workflow(history))
