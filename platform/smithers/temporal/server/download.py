"""Gets the Temporal CLI by the Python SDK's own download.

The SDK has no call that only downloads: it downloads in order to start. So a process of its own starts a server
with it and ends it at once, which also shows that the binary runs here.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from smithers.temporal.server.release import VERSION, NotGot

SILENCE_LIMIT_S = 15.0
"""A download of which nothing more has come for so long is given up: a firewall that drops packets never says no."""

LOOK_EVERY_S = 0.1

_PROGRAM = """
import asyncio, sys
from temporalio.testing import WorkflowEnvironment

async def main():
    folder, version = sys.argv[1:]
    server = await WorkflowEnvironment.start_local(download_dest_dir=folder, dev_server_download_version=version)
    await server.shutdown()

try:
    asyncio.run(main())
except Exception as error:
    sys.exit(str(error))
"""


def get(target: Path, say: Callable[[str], None]) -> None:
    """Puts the binary at `target`. Raises NotGot."""
    say(f"temporal: downloading the Temporal CLI {VERSION} with the Python SDK (about 45 MB, once)")
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix=".download-", dir=target.parent) as name:
        folder = Path(name)
        _run(folder)
        program = folder / f"temporal-v{VERSION}"
        if not program.is_file():
            raise NotGot("download: the Python SDK put the binary somewhere else than asked")
        program.chmod(0o755)
        program.replace(target)
    say(f"temporal: downloaded to {target} in {time.monotonic() - began:.0f} s")


def _run(folder: Path) -> None:
    with (folder / "log").open("w+") as log:
        child = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, str(folder), f"v{VERSION}"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        try:
            _wait(child, folder)
        finally:
            child.kill()
            child.wait()
        if child.returncode != 0:
            raise NotGot(f"download: {_last_line(folder / 'log') or f'it ended with status {child.returncode}'}")


def _wait(child: subprocess.Popen[bytes], folder: Path) -> None:
    size, changed = -1, time.monotonic()
    while child.poll() is None:
        now, was = time.monotonic(), size
        size = _bytes_in(folder)
        if size != was:
            changed = now
        elif now - changed > SILENCE_LIMIT_S:
            raise NotGot(f"download: nothing came for {SILENCE_LIMIT_S:.0f} s")
        time.sleep(LOOK_EVERY_S)


def _bytes_in(folder: Path) -> int:
    total = 0
    for file in folder.iterdir():
        try:
            total += file.stat().st_size
        except OSError:
            continue  # renamed meanwhile
    return total


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1].strip() if lines else ""
