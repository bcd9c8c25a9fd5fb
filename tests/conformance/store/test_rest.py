"""Blobs, log lines, snapshots, closing, many threads."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor

import pytest

from smithers.errors import StaleEpoch, StoreDamaged, StoreUnavailable
from smithers.store import open_store
from smithers.store.interface import Store
from smithers.store.records import Append, LogLine
from tests.conformance.store.make import NOW, Maker, command, fact, plan


def line(run_id: str, text: str, node: str = "build") -> LogLine:
    return LogLine(run_id, node, "0", 1, NOW, "stdout", text)


def test_a_blob_is_kept_by_its_content(store: Store) -> None:
    data = bytes(range(256)) * 100

    assert store.write_blob(data) == store.write_blob(data) == hashlib.sha256(data).hexdigest()
    assert store.blob(hashlib.sha256(data).hexdigest()) == data
    with pytest.raises(StoreDamaged):
        store.blob("0" * 64)


def test_log_lines_come_in_the_order_they_were_written(run: Maker) -> None:
    lines = [line(run.id, f"line {number}", "ab"[number % 2]) for number in range(6)]

    run.store.write_log_lines(lines[:4])
    run.store.write_log_lines(lines[4:])

    found = run.store.log_lines(run.id)
    assert [one for _, one in found] == lines
    positions = [position for position, _ in found]
    assert positions == sorted(set(positions))
    assert [one for _, one in run.store.log_lines(run.id, after=positions[3])] == lines[4:]
    assert [one.text for _, one in run.store.log_lines(run.id, node="b", limit=2)] == ["line 1", "line 3"]


def test_log_lines_hold_any_text_and_drop_unknown_runs(run: Maker) -> None:
    run.store.write_log_lines([line("nobody", "lost"), line(run.id, "a\0b \ud83d é")])
    run.store.write_log_lines([])

    assert [one.text for _, one in run.store.log_lines(run.id)] == ["a␀b ? é"]


def test_the_two_newest_snapshots_are_kept(run: Maker) -> None:
    for seq in (10, 20, 30):
        run.store.write_snapshot(run.id, seq, 1, b"%d" % seq)
    assert run.store.snapshot(run.id, 1) == (30, b"30")

    run.store.write_snapshot(run.id, 40, 2, b"40")
    assert run.store.snapshot(run.id, 1) == (30, b"30")
    assert run.store.snapshot(run.id, 2) == (40, b"40")

    run.store.write_snapshot(run.id, 50, 2, b"50")
    assert run.store.snapshot(run.id, 1) is None
    assert run.store.snapshot("nobody", 1) is None


def test_a_snapshot_is_replaced_at_its_position(run: Maker) -> None:
    run.store.write_snapshot(run.id, 10, 1, b"old")
    run.store.write_snapshot(run.id, 10, 2, b"new")

    assert (run.store.snapshot(run.id, 1), run.store.snapshot(run.id, 2)) == (None, (10, b"new"))


@pytest.mark.feature("data.tx.single")
def test_many_threads_append_each_fact_once_and_without_gaps(run: Maker) -> None:
    def work(thread: int) -> list[str]:
        outcomes: list[str] = []
        for number in range(20):
            done = run.append(fact(f"own:{thread}:{number}"), fact(f"shared:{number}"))
            outcomes += done.outcomes
        return outcomes

    with ThreadPoolExecutor(8) as pool:
        outcomes = [one for found in pool.map(work, range(8)) for one in found]

    assert outcomes.count("stored") == 8 * 20 + 20
    assert outcomes.count("duplicate") == 8 * 20 - 20
    assert [entry.seq for entry in run.log] == list(range(1, 182))
    assert run.row.head == 181


def test_one_of_many_plans_is_stored(run: Maker) -> None:
    def work(_: int) -> bool:
        return run.append(plan=plan(0, 1, 1, (command(1),))).planned

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(work, range(16))) == [False] * 15 + [True]


def test_a_writer_that_fails_does_not_hurt_those_beside_it(run: Maker) -> None:
    def work(number: int) -> str:
        try:
            return run.append(fact(f"k{number}"), epoch=1 if number % 2 else 9).outcomes[0]
        except StaleEpoch:
            return "stale"

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(work, range(60)))

    assert found == ["stale", "stored"] * 30
    assert [entry.seq for entry in run.log] == list(range(1, 32))


def test_two_stores_see_each_other(url: str, run: Maker) -> None:
    if url == "sqlite://":
        return  # memory has one store
    other = open_store(url, create=False)

    other.append(Append(run.id, (fact("theirs"),)))
    run.append(fact("ours"))

    assert [entry.key for entry in other.entries(run.id)] == ["started", "theirs", "ours"]
    other.close()


def test_a_closed_store_says_so(run: Maker) -> None:
    run.store.close()
    run.store.close()

    with pytest.raises(StoreUnavailable, match="closed"):
        run.append(fact("a"))
    with pytest.raises(StoreUnavailable, match="closed"):
        run.store.run(run.id)
