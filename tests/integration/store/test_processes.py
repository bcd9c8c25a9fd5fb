"""Several processes on one SQLite file: nobody is locked out, nobody waits long."""

from __future__ import annotations

from pathlib import Path

import pytest

from smithers.store import open_store
from smithers.store.records import NewRun
from tests.servers.store_process import assert_whole, result, start


@pytest.mark.timeout(60)
def test_a_burst_does_not_starve_other_writers_and_readers(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'smithers.db'}"
    store = open_store(url, create=True)
    for run_id in ("busy", "other"):
        store.create_run(NewRun(run_id, "ship", {}, "d1", "/flow.py"))

    burst = start("burst", url, "busy", 3)
    one, follow = start("one", url, "other", 2), start("follow", url, "busy", 2)
    measured = {"follow": result(follow), "one": result(one), "burst": result(burst)}

    print(measured)
    assert_whole(store, "busy")
    assert_whole(store, "other")
    store.close()
    assert measured["burst"]["count"] > 200
    assert measured["one"]["p95"] < 250


@pytest.mark.timeout(60)
def test_two_bursts_share_the_file(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'smithers.db'}"
    store = open_store(url, create=True)
    for run_id in ("a", "b"):
        store.create_run(NewRun(run_id, "ship", {}, "d1", "/flow.py"))

    processes = [start("burst", url, run_id, 2) for run_id in ("a", "b")]
    counts = [result(process)["count"] for process in processes]

    for run_id in ("a", "b"):
        assert_whole(store, run_id)
    store.close()
    assert max(counts) < 4 * min(counts)
