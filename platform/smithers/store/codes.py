"""Digests as small numbers: an entry says in a few bytes which code wrote it."""

from __future__ import annotations

from smithers.store import sql
from smithers.store.database import Connection, Database


class Codes:
    """What the table of codes says, kept. Only what is committed is kept: a number is never given twice."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._numbers: dict[str, int] = {"": 0}
        self._digests: dict[int, str] = {0: ""}

    def number(self, digest: str) -> int:
        """The digest's number, which is made if there is none yet."""
        if digest not in self._numbers:
            self._database.read(self._refresh)
        if digest not in self._numbers:
            self._database.write(lambda connection: connection.execute(sql.INSERT_CODE, (digest,)) and None)
            self._database.read(self._refresh)
        return self._numbers[digest]

    def digest(self, connection: Connection, number: int) -> str:
        if number not in self._digests:
            self._refresh(connection)
        return self._digests[number]

    def _refresh(self, connection: Connection) -> None:
        for number, digest in connection.execute(sql.CODES).fetchall():
            self._numbers[digest] = number
            self._digests[number] = digest
