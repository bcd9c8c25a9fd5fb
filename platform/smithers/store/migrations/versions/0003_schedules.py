"""Schedules. Frozen."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
BYTEWISE = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "schedules",
        sa.Column("name", BYTEWISE, primary_key=True),
        sa.Column("data", sa.Text, nullable=False),
        sa.Column("paused", sa.SmallInteger, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("created_ms", BIG, nullable=False),
        sa.Column("last_ms", BIG, nullable=False),
        sa.Column("last_run", sa.Text),
        sa.Column("error", sa.Text),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    op.drop_table("schedules")
