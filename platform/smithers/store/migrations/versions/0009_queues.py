"""Queues that runs share: who waits in which, and who has a slot. Frozen."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
BYTEWISE = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "queues",
        sa.Column("name", BYTEWISE, primary_key=True),
        sa.Column("last", BIG, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "tickets",
        sa.Column("run", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("node", sa.Text, primary_key=True),
        sa.Column("iteration", sa.Text, primary_key=True),
        sa.Column("queue", BYTEWISE, nullable=False),
        sa.Column("held", sa.SmallInteger, nullable=False),
        sa.Column("priority", sa.SmallInteger, nullable=False),
        sa.Column("place", BIG, nullable=False),
        sa.Column("most", sa.Integer, nullable=False),
        sa.Column("command", sa.Integer, nullable=False),
        sa.Column("since_ms", BIG, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("tickets_queue", "tickets", ["queue", "held", "priority", "place"])


def downgrade() -> None:
    op.drop_table("tickets")
    op.drop_table("queues")
