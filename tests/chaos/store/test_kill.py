"""A process that writes is killed at any moment: what it has stored is whole, and another goes on from there."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from smithers.store import open_store
from smithers.store.records import NewRun
from tests.servers.postgres import Cluster, postgres
from tests.servers.store_process import assert_whole, kill, start

__all__ = ["postgres"]
ROUNDS = 6


@pytest.mark.chaos
@pytest.mark.timeout(90)
@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
def test_a_killed_writer_leaves_a_whole_log(engine: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    url = f"sqlite:///{tmp_path / 'smithers.db'}"
    if engine == "postgres":
        cluster: Cluster = request.getfixturevalue("postgres")
        url = cluster.database()
    dice = random.Random(7)
    first = open_store(url, create=True)
    first.create_run(NewRun("r", "ship", {}, "d1", "/flow.py"))
    first.close()
    heads = [1]

    for _ in range(ROUNDS):
        process = start("burst", url, "r", 30)
        time.sleep(dice.uniform(0, 0.15))  # the moment is what is tested
        kill(process)
        store = open_store(url, create=False)
        assert_whole(store, "r")
        heads.append(store.run("r").head)
        store.close()

    assert heads == sorted(set(heads))
