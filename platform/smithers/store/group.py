"""Commits together what threads of one process want written at the same time.

There is no writer thread. Each caller queues its request and takes a lock; who gets it is the leader, carries out all
that is queued in one transaction, and answers for the others, who find their request done when they get the lock. So
one thread alone pays for no hop to another, and a hundred threads share one flush to disk.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from smithers.errors import StoreUnavailable
from smithers.store import faults
from smithers.store.database import Connection

T = TypeVar("T")
MOST = 128


class Request:
    """Work to be done in a transaction, and what became of it."""

    __slots__ = ("done", "error", "result", "synced", "work")

    def __init__(self, work: Callable[[Connection], Any], synced: bool) -> None:
        self.work = work
        self.synced = synced
        self.done = False
        self.result: Any = None
        self.error: BaseException | None = None

    def fail(self, error: BaseException) -> None:
        self.error, self.done = error, True


class Transactions(Protocol):
    """What the leader needs of a database; each call by one thread at a time."""

    def begin(self, *, synced: bool) -> Connection: ...

    def commit(self) -> None: ...

    def rollback(self) -> None: ...

    def is_open(self) -> bool:
        """False when the database itself has rolled back (a full disk)."""
        ...


class GroupCommit:
    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions
        self._queue: deque[Request] = deque()
        self._leader = threading.Lock()
        self._closed = False

    def write(self, work: Callable[[Connection], T], *, synced: bool = True) -> T:
        request = Request(work, synced)
        self._queue.append(request)
        while not request.done:
            with self._leader:
                if not request.done:
                    self._lead(request)
        if request.error is not None:
            raise request.error
        return request.result

    def close(self) -> None:
        """Carries out what is queued; what comes later is refused."""
        with self._leader:
            while self._queue and not self._closed:
                self._lead(self._queue[0])
            self._closed = True

    def _lead(self, own: Request) -> None:
        batch: list[Request] = []
        try:
            self._carry_out(batch)
        except BaseException as error:
            if not batch:
                # It did not even begin: nobody who waits would fare better.
                self._fill(batch, len(self._queue), synced=True)
            # `own` may be in no batch: an earlier leader was interrupted after it had taken it from the queue.
            for request in {own, *batch}:
                request.fail(error if isinstance(error, Exception) else _interrupted())
            if self._transactions.is_open():
                self._transactions.rollback()
            if not isinstance(error, Exception):
                raise
        for request in batch:
            request.done = True

    def _carry_out(self, batch: list[Request]) -> None:
        """Fills `batch` from the queue, so that the caller can answer for it whatever happens."""
        if self._closed:
            raise StoreUnavailable("The store has been closed in this process.")
        synced = any(request.synced for request in list(self._queue)[:MOST])
        connection = self._transactions.begin(synced=synced)
        self._fill(batch, MOST, synced=synced)
        if not batch:
            raise _interrupted()
        if len(batch) == 1:
            # Alone, it needs no savepoint: if it fails, everything is rolled back.
            batch[0].result = batch[0].work(connection)
        else:
            for request in batch:
                self._carry_out_apart(connection, request)
        if faults.armed:
            faults.before("commit")
        self._transactions.commit()
        if faults.armed:
            faults.after("commit")

    def _fill(self, batch: list[Request], most: int, *, synced: bool) -> None:
        """What has come since the transaction began joins it, but for a request that must be synced where it is not."""
        while self._queue and len(batch) < most and (synced or not self._queue[0].synced):
            batch.append(self._queue.popleft())

    def _carry_out_apart(self, connection: Connection, request: Request) -> None:
        connection.execute("SAVEPOINT request")
        try:
            request.result = request.work(connection)
        except Exception as error:
            if not self._transactions.is_open():
                raise
            request.error = error
            connection.execute("ROLLBACK TO request")
        connection.execute("RELEASE request")


def _interrupted() -> StoreUnavailable:
    return StoreUnavailable("The thread that was writing for several was interrupted. Nothing was stored. Try again.")
