"""Runs are deleted: who else names a blob, and what a run is found by, is known by index. Frozen.

0006 came into use before 0005 did: stores that were made then have no table for outputs that other runs may take, and
get it here.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0006"

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
BYTEWISE = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
BLOBS = (("runs", "error"), ("entries", "data"), ("commands", "payload"), ("nodes", "detail"))


def upgrade() -> None:
    if "task_cache" not in sa.inspect(op.get_bind()).get_table_names():
        create_task_cache()
    op.create_index("marks_run", "marks", ["run"])
    for table, column in BLOBS:
        where = sa.text(f"substr({column}, 1, 9) = '{{\"$blob\"\\:'")
        op.create_index(f"{table}_blobs", table, [column], sqlite_where=where, postgresql_where=where)


def create_task_cache() -> None:
    """As 0005 does."""
    op.create_table(
        "task_cache",
        sa.Column("key", BYTEWISE, primary_key=True),
        sa.Column("run", sa.Integer, nullable=False),
        sa.Column("node", sa.Text, nullable=False),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("entry", BIG, nullable=False),
        sa.Column("stored_ms", BIG, nullable=False),
        sa.Column("hits", sa.Integer, nullable=False),
        sa.Column("used_ms", BIG, nullable=False),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    op.drop_index("marks_run", "marks")
    for table, _ in BLOBS:
        op.drop_index(f"{table}_blobs", table)
