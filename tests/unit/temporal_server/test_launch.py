"""How the server is started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from smithers.temporal.server import launch


def test_the_server_listens_on_loopback_only_and_keeps_its_data_in_its_folder() -> None:
    command = launch.serve(Path("/bin/temporal"), 17233)

    assert command[:3] == ["/bin/temporal", "server", "start-dev"]
    assert command[command.index("--ip") + 1] == "127.0.0.1"
    assert command[command.index("--db-filename") + 1] == "temporal.db"
    assert "--headless" in command


def test_the_servers_brakes_are_off() -> None:
    command = launch.serve(Path("/bin/temporal"), 17233)
    settings = {command[i + 1] for i, word in enumerate(command) if word == "--dynamic-config-value"}

    assert "history.transferProcessorMaxPollRPS=5000" in settings
    assert 'history.timerProcessorMaxTimeShift="10ms"' in settings
    assert "system.enableActivityEagerExecution=true" in settings


def test_runs_take_turns_and_older_backlogs_are_still_read() -> None:
    assert launch.DYNAMIC_CONFIG["matching.enableFairness"] == "true"
    assert launch.DYNAMIC_CONFIG["matching.numTaskqueueWritePartitions"] == "1"
    assert "matching.numTaskqueueReadPartitions" not in launch.DYNAMIC_CONFIG


def test_a_namespace_cannot_become_an_option() -> None:
    assert "--namespace=--help" in launch.create_namespace(Path("/bin/temporal"), 1, "--help")


def test_the_environment_holds_what_is_needed_and_no_secret() -> None:
    source = {"PATH": "/bin", "HOME": "/root", "AWS_SECRET_ACCESS_KEY": "x", "TEMPORAL_API_KEY": "y", "PYTHONPATH": "."}

    assert launch.environment(source) == {"PATH": "/bin", "HOME": "/root"}


@pytest.mark.skipif(sys.platform != "linux", reason="missing linux: only its kernel ends a child with its parent")
def test_a_child_dies_with_its_parent(tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from smithers.temporal.server import launch\n"
        "folder = Path(sys.argv[1])\n"
        "print(launch.spawn(['sleep', '60'], folder, folder / 'log').pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())

    parent.send_signal(signal.SIGKILL)
    parent.communicate()

    deadline = time.monotonic() + 5
    while is_alive(child):
        assert time.monotonic() < deadline
        time.sleep(0.005)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
