"""Runs are found by idempotency key, time, status, workflow, tag and input. Frozen, as is what it takes for an input's
values: `marks.py` may change, what 0002 has written does not."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Iterator
from typing import Any, cast

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

BYTEWISE = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
KEYED = sa.text("idempotency_key IS NOT NULL")
INDEXES = ("runs_created", "runs_status", "runs_workflow")
PAGE = 500
STARTED = sa.text(
    "SELECT runs.id, entries.data FROM runs JOIN entries ON entries.id = runs.id * 4294967296 + 1 "
    "WHERE runs.id > :after ORDER BY runs.id LIMIT :page"
)
BLOB = sa.text("SELECT data FROM blobs WHERE sha256 = :sha256")


def upgrade() -> None:
    op.add_column("runs", sa.Column("idempotency_key", BYTEWISE))
    op.create_index(
        "runs_idempotency_key",
        "runs",
        ["idempotency_key"],
        unique=True,
        sqlite_where=KEYED,
        postgresql_where=KEYED,
    )
    op.create_index("runs_created", "runs", ["created_ms", "id"])
    op.create_index("runs_status", "runs", ["status", "created_ms", "id"])
    op.create_index("runs_workflow", "runs", ["workflow", "created_ms", "id"])
    marks = op.create_table(
        "marks",
        sa.Column("name", BYTEWISE, primary_key=True),
        sa.Column("value", BYTEWISE, primary_key=True),
        sa.Column("run", sa.Integer, primary_key=True, autoincrement=False),
        sqlite_with_rowid=False,
    )
    _mark(op.get_bind(), marks)


def _mark(connection: sa.Connection, marks: sa.Table) -> None:
    """Lets the runs that are there be found by their input, too."""
    after = 0
    while rows := connection.execute(STARTED, {"after": after, "page": PAGE}).fetchall():
        after = rows[-1][0]
        found = {(path, value, run) for run, text in rows for path, value in _marks(_input(connection, text))}
        if found:
            fields = ("name", "value", "run")
            connection.execute(marks.insert(), [dict(zip(fields, row, strict=True)) for row in sorted(found)])


def _input(connection: sa.Connection, text: str) -> Any:
    value: dict[str, Any] = json.loads(text)
    if "$blob" in value:
        raw = connection.execute(BLOB, {"sha256": value["$blob"]}).scalar()
        value = json.loads(zlib.decompress(raw)) if raw is not None else {}
    return value.get("input")


def _marks(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for name, one in cast("dict[str, Any]", value).items():
            yield from _marks(one, f"{path}.{name}" if path else name)
    elif not isinstance(value, list) and path:
        yield _short(f"input:{path}", 200), _short(_told(value), 64)


def _told(value: Any) -> str:
    if isinstance(value, str):
        return value
    return str(int(value)) if isinstance(value, float) and value.is_integer() else json.dumps(value)


def _short(text: str, longest: int) -> str:
    text = text.replace("\0", "\u2400").encode("utf-8", "replace").decode()
    return text if len(text) <= longest else f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def downgrade() -> None:
    op.drop_table("marks")
    for index in (*INDEXES, "runs_idempotency_key"):
        op.drop_index(index, "runs")
    op.drop_column("runs", "idempotency_key")
