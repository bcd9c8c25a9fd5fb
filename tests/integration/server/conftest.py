"""Projects in short temporary folders, whose servers are looked after: nothing may be left when a test ends."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from smithers.project import Project
from smithers.temporal.server import binary
from tests.integration.server.watching import processes_of, wait_until
from tests.missing import missing

PREFIX = f"sm{os.getpid()}-"
"""Of this session's folders: others may run on this machine."""


@pytest.fixture(autouse=True)
def quiet_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leaves out what this shell says about servers; a short linger ends what a test forgets."""
    for name in list(os.environ):
        if name.startswith(("TEMPORAL_", "SMITHERS_SERVER_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("SMITHERS_SERVER_LINGER", "20")
    if binary.at_hand() is None:
        missing("temporal", "no Temporal binary; `python -m smithers.temporal.server.binary` gets one")


@pytest.fixture
def project(quiet_environment: None) -> Iterator[Project]:
    with tempfile.TemporaryDirectory(prefix=PREFIX, ignore_cleanup_errors=True) as name:
        root = Path(name).resolve() / "p"
        root.mkdir()
        yield Project(root)
        for process in processes_of(root.parent):
            if process.is_supervisor:  # its server dies with it; this is also quicker than a stop
                with suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGKILL)
        wait_until(lambda: processes_of(root.parent) == [])


@pytest.fixture(autouse=True, scope="session")
def nothing_is_left() -> Iterator[None]:
    yield
    wait_until(lambda: processes_of(Path(tempfile.gettempdir()) / PREFIX) == [], within_s=5)
