"""Runs are deleted: who else names a blob, and what a run is found by, is known by index. Frozen."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0006"

BLOBS = (("runs", "error"), ("entries", "data"), ("commands", "payload"), ("nodes", "detail"))


def upgrade() -> None:
    op.create_index("marks_run", "marks", ["run"])
    for table, column in BLOBS:
        where = sa.text(f"substr({column}, 1, 9) = '{{\"$blob\"\\:'")
        op.create_index(f"{table}_blobs", table, [column], sqlite_where=where, postgresql_where=where)


def downgrade() -> None:
    op.drop_index("marks_run", "marks")
    for table, _ in BLOBS:
        op.drop_index(f"{table}_blobs", table)
