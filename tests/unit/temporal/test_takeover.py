"""What a process has in hand can be read after it has died, and only then."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from smithers.project import Project
from smithers.temporal import identity, takeover
from smithers.temporal.identity import Identity
from smithers.temporal.takeover import Held, Ledger, dead_ledgers, ledgers, read_ledger

pytestmark = pytest.mark.decision("0030")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


@pytest.fixture
def ledger(project: Project) -> Iterator[Ledger]:
    ledger = Ledger(project)
    yield ledger
    ledger.close()


def test_a_ledger_holds_what_was_put_and_what_is_over_for_a_while(ledger: Ledger) -> None:
    """The answer of a step that is over may not have reached the server when the process dies."""
    first, second = ledger.put("r1", b"token-1"), ledger.put("r2", b"\x00\xff")
    ledger.clear(first)
    assert read_ledger(ledger.path) == [Held("r1", b"token-1"), Held("r2", b"\x00\xff")]
    others = [ledger.put("r3", b"token-3") for _ in range(takeover.SPARE_SLOTS)]
    assert {first, second}.isdisjoint(others)
    for slot in others:
        ledger.clear(slot)
    assert ledger.put("r4", b"token-4") == first
    assert read_ledger(ledger.path)[:2] == [Held("r4", b"token-4"), Held("r2", b"\x00\xff")]


def test_a_slot_that_is_half_written_counts_as_empty(ledger: Ledger) -> None:
    slot = ledger.put("r1", b"token")
    os.pwrite(ledger._file, b'{"run": "r', slot * takeover.SLOT_BYTES)
    os.pwrite(ledger._file, b"\0" * 100, slot * takeover.SLOT_BYTES + 10)
    assert read_ledger(ledger.path) == []


def test_a_token_that_does_not_fit_is_left_to_the_heartbeat(ledger: Ledger) -> None:
    slot = ledger.put("r1", b"x" * 2000)
    ledger.clear(slot)
    assert read_ledger(ledger.path) == []


def test_a_living_process_is_not_taken_over(project: Project, ledger: Ledger) -> None:
    ledger.put("r1", b"token")
    with dead_ledgers(project) as paths:
        assert paths == []
    assert ledger.path.exists()


def test_a_dead_process_is_taken_over_once(project: Project) -> None:
    path = ledgers(project) / dead_identity()
    path.parent.mkdir(parents=True)
    path.write_bytes(b"")
    with dead_ledgers(project) as first, dead_ledgers(project) as second:
        assert (first, second) == ([path], [])
    assert not path.exists()
    with dead_ledgers(project) as later:
        assert later == []


def test_nothing_is_asked_of_temporal_where_nobody_died(project: Project, ledger: Ledger) -> None:
    assert asyncio.run(takeover.take_over(project, None, ["r1"])) == 0  # type: ignore[arg-type]


def dead_identity() -> str:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    name = str(replace(identity.own(), pid=process.pid, born=identity.born(process.pid)))
    process.communicate(b"\n")
    return name


def test_an_identity_survives_being_written() -> None:
    assert Identity.read(str(identity.own())) == identity.own()
    assert identity.own().standing() == "alive"
    assert Identity.read("not one") is None


def test_a_process_number_that_is_used_again_is_another_process() -> None:
    assert replace(identity.own(), born="1").standing() == "gone"


def test_what_cannot_be_seen_is_neither_dead_nor_alive() -> None:
    own = identity.own()
    assert replace(own, space="1").standing() == "elsewhere"
    assert replace(own, boot="other-123").standing() == "elsewhere"
    machine = own.boot.partition("-")[0]
    assert replace(own, boot=f"{machine}-earlier").standing() == "gone"


def test_a_zombie_process_is_gone() -> None:
    process = subprocess.Popen([sys.executable, "-c", "pass"])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert identity.born(process.pid) == ""
    process.wait()
