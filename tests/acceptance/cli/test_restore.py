"""Backup, restore, and what `doctor` says when the store and Temporal have parted: on a real server."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.cli.running import Shell

pytestmark = pytest.mark.timeout(180)

FLOW = """
from pathlib import Path
from pydantic import BaseModel
from smithers import Approval, Child, Context, Sequence, Task, call, workflow

class Given(BaseModel):
    run: str

class Out(BaseModel):
    n: int

def work(run: str, n: int) -> Out:
    with (Path(__file__).parent / "ran").open("a") as file:
        file.write(f"{run}:t{n}\\n")
    return Out(n=n)

@workflow(input=Given)
def asks(ctx: Context[Given]) -> Child:
    run = ctx.input.run
    return Sequence[
        Task("t0", output=Out)[call(work, run, 0)],
        Approval("first", title="Go on?"),
        Task("t1", output=Out)[call(work, run, 1)],
        Approval("second", title="And on?"),
        Task("t2", output=Out)[call(work, run, 2)],
    ]
"""


@pytest.fixture(autouse=True)
def flow(shell: Shell) -> None:
    shell.write("flow.py", FLOW)


def begin(shell: Shell, run: str) -> None:
    """A run that waits for its first approval."""
    started = shell.call("up", "flow.py", "--no-wait", "--run-id", run, "--input", f'{{"run": "{run}"}}')
    assert started.status == 3, started.err


def approve(shell: Shell, run: str, node: str) -> None:
    shell.until(lambda: node in shell.call("why", run).out, f"{run} waits for {node}")
    assert shell.call("approve", run, node).status == 0


def ran(shell: Shell) -> list[str]:
    return (shell.root / "ran").read_text().splitlines()


def work(shell: Shell) -> subprocess.Popen[str]:
    """A worker in the background, ready."""
    worker = shell.begin("start", "flow.py", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    bells = shell.root / ".smithers" / "bells"
    shell.until(lambda: list(bells.glob("*.sock")), "a worker is ready")
    return worker


def stop(shell: Shell) -> None:
    assert shell.call("stop").status == 0


def doctor(shell: Shell) -> dict[str, tuple[str, str]]:
    """Of runs: state and text."""
    checks: list[dict[str, Any]] = shell.call("doctor", "--format", "json").json["checks"]
    return {one["name"]: (one["state"], one["text"]) for one in checks if one["name"].startswith("run ")}


def test_a_restored_store_goes_on_from_what_it_says(shell: Shell) -> None:
    """Nothing that had ended by then runs again, and what came later comes again."""
    begin(shell, "r")
    copied = shell.call("backup", "copy.db", "--format", "json")
    assert copied.json["sizeBytes"] == (shell.root / "copy.db").stat().st_size
    begin(shell, "later")
    worker = work(shell)
    approve(shell, "r", "first")
    approve(shell, "r", "second")
    shell.until(lambda: shell.status("r") == "finished", "r ends")

    refused = shell.call("restore", "copy.db", "--format", "json")
    assert refused.error["code"] == "WRONG_STATE"
    assert shell.status("r") == "finished"
    stop(shell)
    worker.wait(30)
    restored = shell.call("restore", "copy.db", "--format", "json").json
    assert restored["redriven"] == ["r"]
    assert Path(restored["before"]).exists()
    assert [run["runId"] for run in shell.call("ps", "--format", "json").json["runs"]] == ["r"]

    work(shell)
    approve(shell, "r", "first")
    approve(shell, "r", "second")
    shell.until(lambda: shell.status("r") == "finished", "r ends again")
    assert ran(shell) == ["r:t0", "later:t0", "r:t1", "r:t2", "r:t1", "r:t2"]
    # The driver of the run that the store has forgotten is told, looks, and ends.
    shell.until(lambda: doctor(shell) == {}, "nothing is left of `later`")


def test_a_store_that_was_set_back_by_hand_is_noticed_and_driven_again(shell: Shell) -> None:
    """Its epoch is that of the open driver, which has taken up commands that the log does not have any more."""
    begin(shell, "r")
    assert shell.call("backup", "copy.db").status == 0
    work(shell)
    approve(shell, "r", "first")
    shell.until(lambda: "second" in shell.call("why", "r").out, "r waits again")
    stop(shell)
    for name in ("smithers.db-wal", "smithers.db-shm"):
        (shell.root / ".smithers" / name).unlink(missing_ok=True)
    (shell.root / "copy.db").replace(shell.root / ".smithers" / "smithers.db")

    work(shell)
    state, text = doctor(shell)["run r"]
    assert (state, "which its log does not have" in text) == ("problem", True), text
    assert shell.call("doctor").status == 1
    assert shell.call("doctor", "--redrive", "--format", "json").json == {"redriven": ["r"], "unknown": []}
    approve(shell, "r", "first")
    approve(shell, "r", "second")
    shell.until(lambda: shell.status("r") == "finished", "r ends")
    assert ran(shell) == ["r:t0", "r:t1", "r:t1", "r:t2"]
    assert shell.call("doctor").status == 0


def test_a_server_that_lost_its_data_is_noticed_and_runs_go_on(shell: Shell) -> None:
    begin(shell, "r")
    shell.call("stop")
    for left in (shell.root / ".smithers" / "server").glob("temporal.db*"):
        left.unlink()

    worker = work(shell)
    approve(shell, "r", "first")
    approve(shell, "r", "second")

    shell.until(lambda: shell.status("r") == "finished", "r ends")
    assert ran(shell) == ["r:t0", "r:t1", "r:t2"]
    assert worker.poll() is None


def test_runs_go_on_where_the_folder_of_the_project_is_renamed(shell: Shell, tmp_path: Path) -> None:
    """What Temporal drives waits in queues that are called after the project."""
    old, new = Shell(tmp_path / "before"), Shell(tmp_path / "after")
    old.root.mkdir()
    old.write("flow.py", FLOW)
    begin(old, "r1")
    assert old.call("stop").status == 0
    old.root.rename(new.root)

    approve(new, "r1", "first")
    code = new.call("inspect", "r1", "--json").json["code"]
    gone = new.call("inspect", "r1").out
    resumed = new.call("up", "flow.py", "--resume", "r1", "--no-wait")

    assert code["standing"] == "kept"
    assert f"{old.root / 'flow.py'} is gone" in gone
    assert resumed.status == 3, resumed.err
    assert ran(new) == ["r1:t0", "r1:t1"]


def test_driving_parted_runs_again_needs_a_server(shell: Shell) -> None:
    begin(shell, "r")
    shell.call("stop")

    refused = shell.call("doctor", "--redrive", "--format", "json")

    assert refused.error["code"] == "TEMPORAL_UNAVAILABLE"
    assert "smithers start" in refused.error["message"]


def test_a_store_in_postgresql_is_copied_by_its_own_tools(shell: Shell) -> None:
    env = {"SMITHERS_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/x"}

    for words, tool in ((("backup", "f"), "pg_dump --format=custom"), (("restore", "f"), "pg_restore --clean")):
        refused = shell.call(*words, "--format", "json", env=env)
        assert tool in refused.error["message"]
        assert not (shell.root / "f").exists()
