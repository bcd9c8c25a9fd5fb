"""The disk is full, or a limit on file sizes is met: `StoreUnavailable`, nothing half-written, and then it goes on."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

from smithers.engine.entry import Fact
from smithers.errors import StoreUnavailable
from smithers.store import open_store
from smithers.store.interface import Store
from smithers.store.records import Append, NewRun
from tests.missing import missing
from tests.servers.store_process import ROOT, assert_whole

LIMITED = """
import resource, signal, sys
from smithers.store import open_store
from tests.chaos.store.test_disk import fill
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
store = open_store(sys.argv[1], create=False)
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
print(fill(store))
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
fill(store, 3)
"""


def fill(store: Store, most: int = 5_000) -> str:
    """Appends until the store says that it cannot."""
    for _ in range(most):
        key = f"retried:{store.run('r').head}"
        try:
            done = store.append(Append("r", (Fact("retried", key, {"x": "y" * 3000}), Fact("retried", f"{key}b"))))
        except StoreUnavailable as error:
            return error.message
        assert done.outcomes == ("stored", "stored")
    return ""


@pytest.fixture
def small_disk(tmp_path: Path) -> Generator[Path]:
    """A file system of two megabytes."""
    if os.geteuid() != 0:
        missing("root", "only root may mount a small file system")
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", folder], check=True)
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.mark.chaos
@pytest.mark.timeout(60)
def test_a_full_disk_stores_nothing_in_part(small_disk: Path) -> None:
    store = open_store(f"sqlite:///{small_disk / 'smithers.db'}", create=True)
    store.create_run(NewRun("r", "ship", {}, "d1", "/flow.py"))
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * 500_000)

    message = fill(store)

    assert "full" in message
    assert "Make room" in message
    assert_whole(store, "r")
    head = store.run("r").head
    ballast.unlink()
    fill(store, 10)
    assert_whole(store, "r")
    assert store.run("r").head == head + 20
    store.close()


@pytest.mark.chaos
@pytest.mark.timeout(60)
def test_a_limit_on_file_sizes_stores_nothing_in_part(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'smithers.db'}"
    store = open_store(url, create=True)
    store.create_run(NewRun("r", "ship", {}, "d1", "/flow.py"))

    command = [sys.executable, "-c", LIMITED, url]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=50, check=False)

    assert done.returncode == 0, done.stderr
    assert "Nothing was stored" in done.stdout
    assert_whole(store, "r")
    assert store.run("r").head > 7
    store.close()
