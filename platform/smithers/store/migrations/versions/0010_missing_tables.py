"""Tables that stores lack whose schema says they have them. Frozen.

0005, 0006 and 0008 came into use in different builds at the same time, each as the next one after 0003. A store that
was made by the build with 0008 alone has no table for outputs that other runs may take, nor one for sources; one that
was made by the build with 0006 and 0008 lacks the first. Both say 0008, as complete ones do.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
BYTEWISE = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    there = sa.inspect(op.get_bind()).get_table_names()
    if "task_cache" not in there:
        create_task_cache()
    if "sources" not in there:
        create_sources()


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


def create_sources() -> None:
    """As 0006 does."""
    op.create_table(
        "sources",
        sa.Column("digest", sa.Text, primary_key=True),
        sa.Column("data", sa.Text, nullable=False),
        sa.Column("kept_ms", BIG, nullable=False),
    )


def downgrade() -> None:
    """What an older schema has is what it says."""
