"""Many cases, some at a time, on one Temporal server."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path

from tests.crash.cases import Case, Outcome, Site, carried_out
from tests.servers.temporal import OwnServer

EVENTS = 60
"""After which the server suggests that a driver continues as new: only one scenario is as long as that."""
JOBS = 4
"""Most of a case is waiting, for Temporal's timeouts among others."""


@contextmanager
def server() -> Iterator[str]:
    """Its address."""
    with tempfile.TemporaryDirectory(prefix="sm-", ignore_cleanup_errors=True) as name:
        own = OwnServer(Path(name).resolve() / "server", {"limit.historyCount.suggestContinueAsNew": str(EVENTS)})
        own.start()
        try:
            yield own.address
        finally:
            own.kill()


def outcomes(cases: Iterable[Case], site: Site, *, jobs: int = JOBS) -> Iterator[Outcome]:
    """As they come."""
    with ThreadPoolExecutor(jobs) as pool:
        running = [pool.submit(carried_out, case, site) for case in cases]
        try:
            for future in as_completed(running):
                yield future.result()
        finally:
            for future in running:
                future.cancel()
