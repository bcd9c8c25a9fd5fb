"""Group commit: what threads want at the same time is stored together, and each gets its own answer."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from smithers.errors import StoreUnavailable
from smithers.store.database import Connection
from smithers.store.group import GroupCommit

pytestmark = pytest.mark.decision("0007")


class Transactions:
    """A database in memory that counts commits and fails on request."""

    def __init__(self) -> None:
        self.connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        self.connection.execute("CREATE TABLE t (x INTEGER UNIQUE)")
        self.commits = 0
        self.synced: list[bool] = []
        self.fail_begin: BaseException | None = None
        self.fail_commit: BaseException | None = None

    def begin(self, *, synced: bool) -> Connection:
        if self.fail_begin:
            raise self.fail_begin
        self.synced.append(synced)
        self.connection.execute("BEGIN")
        return self.connection

    def commit(self) -> None:
        if self.fail_commit:
            raise self.fail_commit
        self.connection.execute("COMMIT")
        self.commits += 1

    def rollback(self) -> None:
        self.connection.execute("ROLLBACK")

    def is_open(self) -> bool:
        return self.connection.in_transaction

    @property
    def stored(self) -> list[int]:
        return [row[0] for row in self.connection.execute("SELECT x FROM t ORDER BY x")]


def insert(number: int) -> Callable[[Connection], int]:
    def work(connection: Connection) -> int:
        connection.execute("INSERT INTO t VALUES (?)", (number,))
        return number

    return work


@pytest.fixture
def transactions() -> Any:
    transactions = Transactions()
    yield transactions
    transactions.connection.close()


@pytest.fixture
def group(transactions: Transactions) -> GroupCommit:
    return GroupCommit(transactions)


def together(group: GroupCommit, works: list[Callable[[Connection], Any]]) -> list[Future[Any]]:
    """Has all of them queued behind one that is under way."""
    entered, go = threading.Event(), threading.Event()

    def first(_: Connection) -> None:
        entered.set()
        assert go.wait(10)

    with ThreadPoolExecutor(len(works) + 1) as pool:
        leader = pool.submit(group.write, first)
        assert entered.wait(10)
        futures = [pool.submit(group.write, work) for work in works]
        while len(group._queue) < len(works):
            pass
        go.set()
        leader.exception(10)
    return futures


def test_what_waits_is_stored_in_one_commit(group: GroupCommit, transactions: Transactions) -> None:
    futures = together(group, [insert(number) for number in range(20)])

    assert [future.result() for future in futures] == list(range(20))
    assert transactions.stored == list(range(20))
    assert transactions.commits == 2


def test_one_that_must_be_synced_does_not_join_a_commit_that_is_not(
    group: GroupCommit, transactions: Transactions
) -> None:
    def first(connection: Connection) -> None:
        later = threading.Thread(target=group.write, args=(insert(2),))
        later.start()
        threads.append(later)
        while not group._queue:
            pass
        insert(1)(connection)

    threads: list[threading.Thread] = []
    group.write(first, synced=False)
    for thread in threads:
        thread.join(10)

    assert transactions.synced == [False, True]
    assert transactions.stored == [1, 2]


def test_what_need_not_be_synced_joins_a_commit_that_is(group: GroupCommit, transactions: Transactions) -> None:
    def unsynced(number: int) -> Callable[[], Any]:
        return lambda: group.write(insert(number), synced=False)

    entered, go = threading.Event(), threading.Event()

    def first(_: Connection) -> None:
        entered.set()
        assert go.wait(10)

    with ThreadPoolExecutor(4) as pool:
        pool.submit(group.write, first)
        assert entered.wait(10)
        pool.submit(group.write, insert(1))
        pool.submit(unsynced(2))
        pool.submit(unsynced(3))
        while len(group._queue) < 3:
            pass
        go.set()

    assert transactions.synced == [True, True]
    assert transactions.stored == [1, 2, 3]


@pytest.mark.feature("plan.commit.atomic")
def test_one_that_fails_is_taken_back_alone(group: GroupCommit, transactions: Transactions) -> None:
    def bad(connection: Connection) -> None:
        connection.execute("INSERT INTO t VALUES (99)")
        raise LookupError("no")

    futures = together(group, [insert(1), bad, insert(2), insert(1)])

    errors = [future.exception() for future in futures]
    assert [type(error) for error in errors].count(LookupError) == 1
    assert [type(error) for error in errors].count(sqlite3.IntegrityError) == 1
    assert transactions.stored == [1, 2]


@pytest.mark.feature("plan.commit.atomic")
def test_a_commit_that_fails_fails_all_of_it(group: GroupCommit, transactions: Transactions) -> None:
    transactions.fail_commit = StoreUnavailable("full")

    futures = together(group, [insert(1), insert(2)])

    assert [str(future.exception()) for future in futures] == ["full", "full"]
    assert transactions.stored == []
    transactions.fail_commit = None
    assert group.write(insert(3)) == 3


def test_a_database_that_rolled_back_by_itself_fails_all_of_it(group: GroupCommit, transactions: Transactions) -> None:
    def full(connection: Connection) -> None:
        connection.execute("ROLLBACK")
        raise sqlite3.OperationalError("database or disk is full")

    futures = together(group, [insert(1), full, insert(2)])

    assert {str(future.exception()) for future in futures} == {"database or disk is full"}
    assert transactions.stored == []


def test_who_waits_behind_a_begin_that_fails_does_not_wait_for_another(
    group: GroupCommit, transactions: Transactions
) -> None:
    transactions.fail_begin = StoreUnavailable("locked")

    with pytest.raises(StoreUnavailable, match="locked"):
        group.write(insert(1))

    assert not group._queue


def test_an_interrupted_leader_leaves_nobody_waiting(group: GroupCommit, transactions: Transactions) -> None:
    def interrupted(_: Connection) -> None:
        raise KeyboardInterrupt

    futures = together(group, [interrupted, insert(1)])

    errors = [future.exception() for future in futures]
    assert all(isinstance(error, KeyboardInterrupt | StoreUnavailable) for error in errors)
    assert transactions.stored == []
    assert group.write(insert(2)) == 2


def test_closing_refuses_what_comes_later(group: GroupCommit, transactions: Transactions) -> None:
    group.write(insert(1))

    group.close()

    with pytest.raises(StoreUnavailable, match="closed"):
        group.write(insert(2))
    assert transactions.stored == [1]
