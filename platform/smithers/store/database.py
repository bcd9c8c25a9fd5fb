"""The seam between what is stored and where: transactions on a connection that takes SQL.

One text serves both engines. It is written with `?` for parameters; `/* FOR UPDATE */` is a comment to SQLite, where a
write transaction holds the only write lock anyway, and becomes the clause on PostgreSQL.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


class Cursor(Protocol):
    @property
    def rowcount(self) -> int: ...

    def fetchone(self) -> Any: ...

    def fetchall(self) -> list[Any]: ...


class Connection(Protocol):
    """`sqlite3.Connection` as it is; `postgres.PgConnection`."""

    def execute(self, sql: str, parameters: Sequence[Any] = (), /) -> Cursor: ...

    def executemany(self, sql: str, parameters: Sequence[Sequence[Any]], /) -> object: ...


class Database(ABC):
    """May be used from any thread. What the database itself refuses is raised as `StoreError`."""

    @abstractmethod
    def write(self, work: Callable[[Connection], T], *, synced: bool = True) -> T:
        """Runs `work` in a write transaction and returns when it is on disk. If `work` raises, nothing of it is
        stored. It must not be long, and must do nothing but talk to the connection: others wait.

        Where not `synced`, it is enough that what was written outlives every process; the end of the machine may take
        it along. It reaches the disk before anything that is written later."""

    @abstractmethod
    def read(self, work: Callable[[Connection], T]) -> T:
        """Runs `work` on a connection that sees what is committed. Each statement may see a newer state."""

    def give_back_space(self) -> int:
        """Returns empty pages to the file system, where that is not done anyway; the bytes that are left empty."""
        return 0

    @abstractmethod
    def close(self) -> None:
        """Waits for the writes under way. Idempotent."""
