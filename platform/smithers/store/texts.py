"""JSON values as text in a row, or, when they are long, as a blob that the row names.

A long value's row holds `{"$blob":"<sha256 of the text>"}`. Blobs are compressed, kept once per content and never
changed. A value that only looks like such a reference is made a blob itself, so that a row's text has one meaning.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from typing import Any

from pydantic_core import PydanticSerializationError, from_json, to_json

from smithers.errors import StoreDamaged
from smithers.store import sql
from smithers.store.database import Connection

INLINE_BYTES = 256 * 1024
_REFERENCE = '{"$blob":'
_REFERENCE_BYTES = _REFERENCE.encode()


class Encoder:
    """Turns values into the texts of one transaction, before that begins: it takes no lock and may take long."""

    __slots__ = ("_blobs",)

    def __init__(self) -> None:
        self._blobs: dict[str, tuple[int, bytes]] = {}

    def text(self, value: Any) -> str:
        raw = dumps(value)
        if len(raw) <= INLINE_BYTES and not raw.startswith(_REFERENCE_BYTES):
            return raw.decode()
        return f'{_REFERENCE}"{self.blob(raw)}"}}'

    def optional(self, value: Any) -> str | None:
        return None if value is None else self.text(value)

    def blob(self, raw: bytes) -> str:
        sha256 = hashlib.sha256(raw).hexdigest()
        if sha256 not in self._blobs:
            self._blobs[sha256] = (len(raw), zlib.compress(raw, 1))
        return sha256

    def write(self, connection: Connection) -> None:
        """Sorted, so that two transactions with the same blobs wait for each other instead of deadlocking."""
        if self._blobs:
            rows = [(sha256, size, data) for sha256, (size, data) in sorted(self._blobs.items())]
            connection.executemany(sql.INSERT_BLOB, rows)


def decode(connection: Connection, text: str) -> Any:
    if text.startswith(_REFERENCE):
        return loads(read_blob(connection, from_json(text)["$blob"]))
    return loads(text)


def decode_optional(connection: Connection, text: str | None) -> Any:
    return None if text is None else decode(connection, text)


def read_blob(connection: Connection, sha256: str) -> bytes:
    row = connection.execute(sql.BLOB, (sha256,)).fetchone()
    if row is None:
        raise StoreDamaged(f"Blob {sha256} is not in the store. Was it restored in part? Restore a whole backup.")
    raw = zlib.decompress(row[0])
    if hashlib.sha256(raw).hexdigest() != sha256:
        raise StoreDamaged(f"Blob {sha256} does not match its hash: the database is damaged. Restore a backup.")
    return raw


def dumps(value: Any) -> bytes:
    """Lone surrogates, which UTF-8 cannot hold, are escaped: a model's output must not be lost for one."""
    try:
        return to_json(value)
    except PydanticSerializationError:
        return json.dumps(value, separators=(",", ":")).encode()


def loads(text: str | bytes) -> Any:
    try:
        return from_json(text)
    except ValueError:
        return json.loads(text)


def clean(text: str) -> str:
    """Free text as a column takes it. PostgreSQL has no NUL in text, UTF-8 no lone surrogates."""
    if text.isascii() and "\0" not in text:
        return text
    return text.replace("\0", "\u2400").encode("utf-8", "replace").decode()
