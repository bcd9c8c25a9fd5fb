"""Drivers of every release can be carried on by this one: their histories replay without a difference."""

from __future__ import annotations

import asyncio
import base64
import gzip
import re
from pathlib import Path

import pytest
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner

from smithers.temporal.driver import Driver, LongTask

HISTORIES = sorted((Path(__file__).parent / "histories").glob("*.json.gz"))


def text_of(path: Path) -> str:
    return gzip.decompress(path.read_bytes()).decode()


def test_there_are_histories_of_everything_a_driver_does() -> None:
    scenarios = {path.name.partition("-")[0] for path in HISTORIES}
    assert scenarios >= {"burst", "isolated", "asking", "takeover", "continued", "cancelled", "native", "elsewhere"}
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
