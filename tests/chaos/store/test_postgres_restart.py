"""PostgreSQL goes away in the middle: calls fail with `StoreUnavailable`, those after it work, nothing is doubled."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator

import pytest

from smithers.engine.entry import Fact
from smithers.errors import StoreUnavailable
from smithers.store import open_store
from smithers.store.interface import Store
from smithers.store.records import Append, NewRun
from tests.servers.postgres import Cluster, running
from tests.servers.store_process import assert_whole

WRITERS = 4


@pytest.fixture
def cluster() -> Generator[Cluster]:
    """One of our own: others use the session's."""
    with running() as cluster:
        yield cluster


@pytest.fixture
def store(cluster: Cluster) -> Generator[Store]:
    store = open_store(cluster.database(), create=True)
    store.create_run(NewRun("r", "ship", {}, "d1", "/flow.py"))
    yield store
    store.close()


class Insistent:
    """Appends one fact after the other, each until the store has it."""

    def __init__(self, store: Store, name: str, stop: threading.Event) -> None:
        self._store, self._name, self._stop = store, name, stop
        self.stored = 0
        self.failures = 0

    def run(self) -> None:
        while not self._stop.is_set():
            try:
                done = self._store.append(Append("r", (Fact("retried", f"{self._name}:{self.stored}"),)))
            except StoreUnavailable:
                self.failures += 1
                time.sleep(0.01)  # as a caller's backoff
                continue
            assert done.outcomes[0] in ("stored", "duplicate")
            self.stored += 1


def wait_for(writers: list[Insistent], more: int) -> None:
    goals = [writer.stored + more for writer in writers]
    while any(writer.stored < goal for writer, goal in zip(writers, goals, strict=True)):
        time.sleep(0.005)


@pytest.mark.chaos
@pytest.mark.timeout(90)
def test_writers_go_on_after_restarts(cluster: Cluster, store: Store) -> None:
    stop = threading.Event()
    writers = [Insistent(store, f"w{number}", stop) for number in range(WRITERS)]
    threads = [threading.Thread(target=writer.run) for writer in writers]
    for thread in threads:
        thread.start()

    for mode in ("fast", "immediate", "immediate"):
        wait_for(writers, 20)
        cluster.stop(mode)
        cluster.start()
    wait_for(writers, 20)
    stop.set()
    for thread in threads:
        thread.join(30)

    assert sum(writer.failures for writer in writers) >= 3
    assert_whole(store, "r")
    expected = {f"{writer._name}:{number}" for writer in writers for number in range(writer.stored)}
    assert {entry.key for entry in store.entries("r")} == {"started", *expected}


@pytest.mark.chaos
@pytest.mark.timeout(60)
def test_after_a_quiet_restart_no_call_fails(cluster: Cluster, store: Store) -> None:
    cluster.stop("fast")
    with pytest.raises(StoreUnavailable, match="Is the server up"):
        store.run("r")

    cluster.start()
    assert store.run("r").head == 1
    cluster.stop("fast")
    cluster.start()
    assert store.append(Append("r", (Fact("retried", "a"),))).outcomes == ("stored",)
