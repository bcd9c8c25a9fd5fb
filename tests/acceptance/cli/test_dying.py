"""Signals, and processes that end without a word: nothing stored is lost, and the person is told."""

from __future__ import annotations

import os
import signal
import subprocess

import pytest

from smithers.cli.guard import WorkerProcess, wait_until_gone
from smithers.engine.entry import Json
from smithers.worker.order import Order
from tests.acceptance.cli.running import Shell
from tests.acceptance.cli.test_up import HELLO, flow

SLOW = flow('Sequence[Task("a", output=Text)[call(slow, "a", 0)], Task("b", output=Text)[call(slow, "b", 2)]]')
ONCE = """\
def once(how: str) -> Text:
    if not Path("died").exists():
        Path("died").touch()
        if how == "exit":
            os._exit(0)
        os.kill(os.getpid(), getattr(signal, how))
    return Text(text="survived")
"""


@pytest.mark.feature("cli.global.exit130", "cli.global.exit143", "cli.global.sig.db-close")
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_stops_the_watching_and_not_the_run(shell: Shell, number: signal.Signals, status: int):
    shell.write("flow.py", SLOW)
    process = shell.begin("up", "flow.py", "--run-id", "r1")
    shell.until((shell.root / "b").exists, "the second task runs")

    process.send_signal(number)
    stopped = shell.result(process)

    assert stopped.status == status, stopped.err
    assert "smithers up --resume r1" in stopped.err
    assert shell.call("up", "--resume", "r1").status == 0


@pytest.mark.feature("cli.global.sig.second")
def test_a_second_interrupt_leaves_at_once_and_the_run_can_be_resumed(shell: Shell):
    shell.write("flow.py", SLOW.replace('"b", 2', '"b", 30 if not Path("again").exists() else 0'))
    process = shell.begin("up", "flow.py", "--run-id", "r1")
    shell.until((shell.root / "b").exists, "the second task runs")

    process.send_signal(signal.SIGINT)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(timeout=0.5)
    process.send_signal(signal.SIGINT)

    assert shell.result(process, 5).status == 130


def test_an_interrupt_before_anything_was_started_leaves_nothing(shell: Shell):
    shell.write("flow.py", "import time, pathlib\npathlib.Path('loading').touch()\ntime.sleep(60)\n")
    process = shell.begin("up", "flow.py")
    shell.until((shell.root / "loading").exists, "the file is being loaded")

    process.send_signal(signal.SIGINT)

    assert shell.result(process, 10).status == 130
    assert not (shell.root / ".smithers").exists()
    assert shell.processes() == {}


@pytest.mark.parametrize("how", ["exit", "SIGSEGV", "SIGKILL"])
def test_a_task_that_kills_its_process_is_run_again_and_the_person_is_told(shell: Shell, how: str):
    shell.write("flow.py", flow(f'Task("danger", output=Text)[call(once, "{how}")]', ONCE))

    result = shell.call("up", "flow.py")

    assert result.status == 0, result.err
    assert result.json == {"text": "survived"}
    assert "the worker process" in result.err
    assert "starting it again" in result.err


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_task_that_holds_the_interpreters_lock_is_ended_and_run_again(shell: Shell):
    hog = (
        "import ctypes\n"
        "def hog() -> Text:\n"
        "    if not Path('died').exists():\n"
        "        Path('died').touch()\n"
        "        ctypes.PyDLL(None).sleep(60)\n"
        "    return Text(text='survived')\n"
    )
    shell.write("flow.py", flow('Task("danger", output=Text)[hog]', hog))

    result = shell.call("up", "flow.py")

    assert result.status == 0, result.err
    assert result.json == {"text": "survived"}
    assert "starting it again" in result.err


@pytest.mark.timeout(120)
def test_a_task_that_always_kills_its_process_fails_and_the_run_says_so(shell: Shell):
    always = "def always() -> Text:\n    os._exit(3)\n"
    shell.write("flow.py", flow('Task("danger", output=Text, retries=0)[always]', always))

    result = shell.call("up", "flow.py", "--format", "json")

    assert result.status == 1, result.err
    assert result.json["error"]["code"] == "KILLED_WORKER"


def test_when_the_command_is_killed_its_worker_dies_too_and_the_run_goes_on_later(shell: Shell):
    shell.write("flow.py", SLOW)
    process = shell.begin("up", "flow.py", "--run-id", "r1")
    shell.until((shell.root / "b").exists, "the second task runs")

    os.kill(process.pid, signal.SIGKILL)
    process.communicate()

    shell.until(
        lambda: not any("worker_process" in line for line in shell.processes().values()), "the worker is gone", 5
    )
    assert shell.call("up", "--resume", "r1").status == 0


@pytest.mark.timeout(120)  # ten commands, one after another
def test_exit_statuses_are_right_again_and_again(shell: Shell):
    shell.write("flow.py", HELLO)

    assert [shell.call("up", "flow.py").status for _ in range(10)] == [0] * 10


def test_the_worker_process_tells_when_its_run_has_ended(shell: Shell):
    """Nobody has to wait for the next look at the log."""
    file = shell.write("flow.py", HELLO)
    worker = WorkerProcess("told")
    try:
        worker.give(Order(str(shell.root), str(file), "r1"))
        told: list[Json] = []
        shell.until(lambda: told.extend(worker.messages()) or {"over": "r1"} in told, "the end is told")

        assert shell.status("r1") == "finished"
        worker.send({"stop": 1.0})
        assert wait_until_gone(worker, 30)
        assert worker.death() == ""
    finally:
        worker.kill()
        worker.close()
