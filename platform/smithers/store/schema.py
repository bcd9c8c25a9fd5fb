"""The tables, once, for both engines.

Two places hold what was said, and are never changed: `entries` (the log) and `blobs`. The others are projections,
written in the transaction that appends, so that people and steps can ask without folding a log.

Within the database a run is a small integer (`runs.id`, called `run` elsewhere), and a digest is a row of `codes`:
both stand in every row of the large tables. An entry's `id` is `run * 2**32 + seq`, a command's `run * 2**32 + n`: one
integer as primary key is SQLite's rowid, so that a run's rows lie together, in order, without an index beside them, and
rows of some kilobytes need no page of their own as they would WITHOUT ROWID.
`entries.data` and `commands.payload` hold JSON text; what is longer than `texts.INLINE_BYTES` is a blob, see
`texts.py`.

SQLAlchemy is imported here, in `generate.py` and in `migrate.py` only. What runs every day uses the SQL text in
`ddl.py` (generated from this file) and `sql.py`.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    TextClause,
    text,
)
from sqlalchemy.types import Text

metadata = MetaData()

Big = BigInteger().with_variant(Integer(), "sqlite")
Bytewise = Text().with_variant(Text(collation="C"), "postgresql")
"""Compared by bytes, so that a prefix is a range of the index on both engines."""

LIVE = text("status NOT IN ('finished', 'failed', 'cancelled')")
OPEN = text("open = 1")
KEYED = text("idempotency_key IS NOT NULL")


def refers(column: str) -> TextClause:
    """That a text names a blob and holds nothing else, see `texts.py`. Deleting a run asks whether others do."""
    return text(f"substr({column}, 1, 9) = '{{\"$blob\"\\:'")


codes = Table(
    "codes",
    metadata,
    Column("id", Integer, Identity(), primary_key=True),
    Column("digest", Text, nullable=False, unique=True),
)

runs = Table(
    "runs",
    metadata,
    Column("id", Integer, Identity(), primary_key=True),
    Column("run_id", Bytewise, nullable=False, unique=True),
    Column("workflow", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("head", Integer, nullable=False),
    Column("planned", Integer, nullable=False),
    Column("digest", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("error", Text),
    Column("created_ms", Big, nullable=False),
    Column("updated_ms", Big, nullable=False),
    Column("idempotency_key", Bytewise),
)
"""Input and options are not here but in the `started` entry: this row is written again by each append."""
Index("runs_live", runs.c.id, sqlite_where=LIVE, postgresql_where=LIVE)
Index("runs_idempotency_key", runs.c.idempotency_key, unique=True, sqlite_where=KEYED, postgresql_where=KEYED)
Index("runs_blobs", runs.c.error, sqlite_where=refers("error"), postgresql_where=refers("error"))
Index("runs_created", runs.c.created_ms, runs.c.id)
Index("runs_status", runs.c.status, runs.c.created_ms, runs.c.id)
Index("runs_workflow", runs.c.workflow, runs.c.created_ms, runs.c.id)

marks = Table(
    "marks",
    metadata,
    Column("name", Bytewise, primary_key=True),
    Column("value", Bytewise, primary_key=True),
    Column("run", Integer, primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,
)
Index("marks_run", marks.c.run)
"""What a run is found by: its tags and the values in the input that it has now, see `marks.py`."""

schedules = Table(
    "schedules",
    metadata,
    Column("name", Bytewise, primary_key=True),
    Column("data", Text, nullable=False),
    Column("paused", SmallInteger, nullable=False),
    Column("note", Text, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("created_ms", Big, nullable=False),
    Column("last_ms", Big, nullable=False),
    Column("last_run", Text),
    Column("error", Text),
    sqlite_with_rowid=False,
)
"""What starts runs by the clock. Temporal keeps the clock; what is to be started is here."""

entries = Table(
    "entries",
    metadata,
    Column("id", Big, primary_key=True, autoincrement=False),
    Column("run", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("key", Bytewise, nullable=False),
    Column("data", Text, nullable=False),
    Column("at_ms", Big, nullable=False),
    Column("code", Integer, nullable=False),
)
Index("entries_blobs", entries.c.data, sqlite_where=refers("data"), postgresql_where=refers("data"))
Index("entries_key", entries.c.run, entries.c.key, unique=True)

commands = Table(
    "commands",
    metadata,
    Column("id", Big, primary_key=True, autoincrement=False),
    Column("open", SmallInteger, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("owner", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("node", Text, nullable=False),
    Column("iteration", Text, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("target", Integer, nullable=False),
    Column("due_ms", Big, nullable=False),
    Column("timeout_ms", Big, nullable=False),
    Column("burst", SmallInteger, nullable=False),
    Column("payload", Text),
)
Index("commands_blobs", commands.c.payload, sqlite_where=refers("payload"), postgresql_where=refers("payload"))
Index("commands_open", commands.c.id, sqlite_where=OPEN, postgresql_where=OPEN)

nodes = Table(
    "nodes",
    metadata,
    Column("run", Integer, primary_key=True, autoincrement=False),
    Column("node", Text, primary_key=True),
    Column("iteration", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("label", Text, nullable=False),
    Column("ordinal", Big, nullable=False),
    Column("detail", Text),
    Column("first_ms", Big, nullable=False),
    Column("ended_ms", Big, nullable=False),
    sqlite_with_rowid=False,
)

Index("nodes_blobs", nodes.c.detail, sqlite_where=refers("detail"), postgresql_where=refers("detail"))

task_cache = Table(
    "task_cache",
    metadata,
    Column("key", Bytewise, primary_key=True),
    Column("run", Integer, nullable=False),
    Column("node", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("entry", Big, nullable=False),
    Column("stored_ms", Big, nullable=False),
    Column("hits", Integer, nullable=False),
    Column("used_ms", Big, nullable=False),
    sqlite_with_rowid=False,
)
"""Outputs that other runs may take, by key (`engine/caching.py`): `entry` is the `ended` entry that holds one."""

queues = Table(
    "queues",
    metadata,
    Column("name", Bytewise, primary_key=True),
    Column("last", Big, nullable=False),
    sqlite_with_rowid=False,
)
"""Queues that runs share. `last` is the place that was given last; who changes who has a slot locks the row."""

tickets = Table(
    "tickets",
    metadata,
    Column("run", Integer, primary_key=True, autoincrement=False),
    Column("node", Text, primary_key=True),
    Column("iteration", Text, primary_key=True),
    Column("queue", Bytewise, nullable=False),
    Column("held", SmallInteger, nullable=False),
    Column("priority", SmallInteger, nullable=False),
    Column("place", Big, nullable=False),
    Column("most", Integer, nullable=False),
    Column("command", Integer, nullable=False),
    Column("since_ms", Big, nullable=False),
    sqlite_with_rowid=False,
)
Index("tickets_queue", tickets.c.queue, tickets.c.held, tickets.c.priority, tickets.c.place)
"""Who waits in a queue, and who has a slot (`held`); see `turns.py`."""

blobs = Table(
    "blobs",
    metadata,
    Column("sha256", Text, primary_key=True),
    Column("size_bytes", Integer, nullable=False),
    Column("data", LargeBinary, nullable=False),
)

sources = Table(
    "sources",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("data", Text, nullable=False),
    Column("kept_ms", Big, nullable=False),
)
"""What a digest is made of: names of files with the blobs that hold them, and the environment they ran in."""

snapshots = Table(
    "snapshots",
    metadata,
    Column("run", Integer, primary_key=True, autoincrement=False),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("version", Integer, nullable=False),
    Column("state", LargeBinary, nullable=False),
)

log_lines = Table(
    "log_lines",
    metadata,
    Column("id", Big, Identity(), primary_key=True),
    Column("run", Integer, nullable=False),
    Column("node", Text, nullable=False),
    Column("iteration", Text, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("at_ms", Big, nullable=False),
    Column("stream", Text, nullable=False),
    Column("text", Text, nullable=False),
)
Index("log_lines_run", log_lines.c.run, log_lines.c.id)
