"""How a Temporal process is started: its arguments, its environment, and that it never outlives the supervisor."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from smithers.temporal.server.places import DATABASE

RETENTION_DAYS = 30
"""How long a namespace of the local server keeps closed runs."""
"""How long Temporal shows a closed run. The dev server's own default is a day."""

DYNAMIC_CONFIG = {
    # Per shard, and the dev server has one: 20 polls a second allow one workflow 10 activities a second.
    "history.transferProcessorMaxPollRPS": "5000",
    "history.timerProcessorMaxPollRPS": "5000",
    "history.transferProcessorMaxPollHostRPS": "5000",
    "history.timerProcessorMaxPollHostRPS": "5000",
    # The first step of a run comes back with the workflow task that asked for it.
    "system.enableActivityEagerExecution": "true",
    # Without it a timer or a retry shorter than a second takes a second.
    "history.timerProcessorMaxTimeShift": '"10ms"',
    "history.maxInFlightUpdates": "1000",
    # Runs take turns where tasks wait for a worker. Only within one partition; what an earlier server has put into the
    # others is still read.
    "matching.enableFairness": "true",
    "matching.numTaskqueueWritePartitions": "1",
}

PRAGMAS = {
    "journal_mode": "WAL",
    # NORMAL, not FULL: it survives the death of any process, and a power cut may take only the last moments (never
    # the file's consistency). That is enough here and 1.2 to 1.3 times as fast: the log in our own store, which is
    # fully synced, is the truth, and the driver asks it what to do whenever it starts.
    "synchronous": "NORMAL",
}

_KEPT = ("PATH", "HOME", "USER", "TMPDIR", "TZ", "LANG", "LC_ALL", "SSL_CERT_FILE", "SSL_CERT_DIR", "LD_LIBRARY_PATH")

_PR_SET_PDEATHSIG = 1


def serve(binary: Path, port: int) -> list[str]:
    """The command line of a tuned development server; its working directory is the server's folder."""
    command = [str(binary), "server", "start-dev", "--headless", "--ip", "127.0.0.1", "--port", str(port)]
    command += ["--db-filename", DATABASE, "--log-level", "warn"]
    for key, value in PRAGMAS.items():
        command += ["--sqlite-pragma", f"{key}={value}"]
    for key, value in DYNAMIC_CONFIG.items():
        command += ["--dynamic-config-value", f"{key}={value}"]
    return command


def create_namespace(binary: Path, port: int, namespace: str) -> list[str]:
    command = [
        str(binary),
        "operator",
        "namespace",
        "create",
        f"--namespace={namespace}",
        "--retention",
        f"{RETENTION_DAYS}d",
    ]
    command += ["--address", f"127.0.0.1:{port}", "--command-timeout", "10s"]
    return [*command, "--disable-config-file", "--disable-config-env"]


def environment(source: Mapping[str, str] | None = None) -> dict[str, str]:
    """What the supervisor and the server see of a command's environment: no secrets, no `TEMPORAL_*` settings."""
    source = os.environ if source is None else source
    return {name: source[name] for name in _KEPT if name in source}


def spawn(command: Sequence[str], folder: Path, log: Path) -> subprocess.Popen[bytes]:
    """Starts a child that dies with this process. Raises OSError when the program cannot be started."""
    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environment(),
            preexec_fn=_dies_with(os.getpid()),  # noqa: PLW1509  (the supervisor has one thread)
        )


def _dies_with(parent: int) -> Callable[[], None] | None:
    """Makes the kernel kill the child together with the parent's main thread. Linux only.

    Elsewhere the next supervisor ends what an earlier one left (`process.end_orphan`).
    """
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl

    def in_child() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before the call
            os._exit(1)

    return in_child
