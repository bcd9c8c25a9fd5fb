"""Sources by digest. Frozen."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "sources",
        sa.Column("digest", sa.Text, primary_key=True),
        sa.Column("data", sa.Text, nullable=False),
        sa.Column("kept_ms", BIG, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("sources")
