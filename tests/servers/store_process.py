"""Starts `store_writer` processes and reads what they say; what a whole log looks like."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from smithers.store.interface import Store

ROOT = Path(__file__).parents[2]


def start(kind: str, url: str, run_id: str, seconds: float) -> subprocess.Popen[str]:
    """Returns when it has done its work once."""
    command = [sys.executable, "-m", "tests.servers.store_writer", kind, url, run_id, str(seconds)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    if process.stdout.readline() != "begun\n":
        raise AssertionError(process.communicate(timeout=30)[1])
    return process


def result(process: subprocess.Popen[str], within_s: float = 60) -> dict[str, Any]:
    """What it measured, when it has ended by itself."""
    output, errors = process.communicate(timeout=within_s)
    assert process.returncode == 0, errors
    return json.loads(output)


def kill(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate(timeout=30)


def assert_whole(store: Store, run_id: str) -> None:
    """No gap, no half of an append: the run's row, the log and the projections say the same."""
    run, log = store.run(run_id), store.entries(run_id)
    assert [entry.seq for entry in log] == list(range(1, run.head + 1))
    assert len({entry.key for entry in log}) == len(log)
    frames = [entry for entry in log if entry.kind == "frame"]
    assert run.planned == (frames[-1].data["covers"] if frames else 0)
    made = {n for frame in frames for n in frame.data["commands"]}
    ended = {entry.data["n"] for entry in log if entry.kind == "ended"}
    claimed = {entry.data["n"] for entry in log if entry.kind == "claim"}
    assert {row.command.n for row in store.open_commands(run_id)} == made - ended
    assert claimed <= made
    running = {row.node for row in store.nodes(run_id) if row.state == "running"}
    assert running <= {f"t{n}" for n in made - ended}
