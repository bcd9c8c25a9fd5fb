"""Outputs that other runs may take. Frozen."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0003"

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
BYTEWISE = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
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
    op.drop_table("task_cache")
