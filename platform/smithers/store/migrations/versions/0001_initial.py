"""The first schema. Frozen: it says what 0001 was, whatever `schema.py` says today."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
BYTEWISE = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
LIVE = sa.text("status NOT IN ('finished', 'failed', 'cancelled')")
OPEN = sa.text("open = 1")


def upgrade() -> None:
    _runs()
    _log()
    _projections()
    _rest()


def _runs() -> None:
    op.create_table(
        "codes",
        sa.Column("id", sa.Integer, sa.Identity(), primary_key=True),
        sa.Column("digest", sa.Text, nullable=False, unique=True),
    )
    op.create_table(
        "runs",
        sa.Column("id", sa.Integer, sa.Identity(), primary_key=True),
        sa.Column("run_id", BYTEWISE, nullable=False, unique=True),
        sa.Column("workflow", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("head", sa.Integer, nullable=False),
        sa.Column("planned", sa.Integer, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("error", sa.Text),
        sa.Column("created_ms", BIG, nullable=False),
        sa.Column("updated_ms", BIG, nullable=False),
    )
    op.create_index("runs_live", "runs", ["id"], sqlite_where=LIVE, postgresql_where=LIVE)


def _log() -> None:
    op.create_table(
        "entries",
        sa.Column("id", BIG, primary_key=True, autoincrement=False),
        sa.Column("run", sa.Integer, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("key", BYTEWISE, nullable=False),
        sa.Column("data", sa.Text, nullable=False),
        sa.Column("at_ms", BIG, nullable=False),
        sa.Column("code", sa.Integer, nullable=False),
    )
    op.create_index("entries_key", "entries", ["run", "key"], unique=True)
    op.create_table(
        "blobs",
        sa.Column("sha256", sa.Text, primary_key=True),
        sa.Column("size_bytes", sa.Integer, nullable=False),
        sa.Column("data", sa.LargeBinary, nullable=False),
    )


def _projections() -> None:
    op.create_table(
        "commands",
        sa.Column("id", BIG, primary_key=True, autoincrement=False),
        sa.Column("open", sa.SmallInteger, nullable=False),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("owner", sa.Integer, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("node", sa.Text, nullable=False),
        sa.Column("iteration", sa.Text, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("target", sa.Integer, nullable=False),
        sa.Column("due_ms", BIG, nullable=False),
        sa.Column("timeout_ms", BIG, nullable=False),
        sa.Column("burst", sa.SmallInteger, nullable=False),
        sa.Column("payload", sa.Text),
    )
    op.create_index("commands_open", "commands", ["id"], sqlite_where=OPEN, postgresql_where=OPEN)
    op.create_table(
        "nodes",
        sa.Column("run", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("node", sa.Text, primary_key=True),
        sa.Column("iteration", sa.Text, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("label", sa.Text, nullable=False),
        sa.Column("ordinal", BIG, nullable=False),
        sa.Column("detail", sa.Text),
        sa.Column("first_ms", BIG, nullable=False),
        sa.Column("ended_ms", BIG, nullable=False),
        sqlite_with_rowid=False,
    )


def _rest() -> None:
    op.create_table(
        "snapshots",
        sa.Column("run", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("state", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "log_lines",
        sa.Column("id", BIG, sa.Identity(), primary_key=True),
        sa.Column("run", sa.Integer, nullable=False),
        sa.Column("node", sa.Text, nullable=False),
        sa.Column("iteration", sa.Text, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("at_ms", BIG, nullable=False),
        sa.Column("stream", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
    )
    op.create_index("log_lines_run", "log_lines", ["run", "id"])


def downgrade() -> None:
    for table in ("log_lines", "snapshots", "nodes", "commands", "blobs", "entries", "runs", "codes"):
        op.drop_table(table)
