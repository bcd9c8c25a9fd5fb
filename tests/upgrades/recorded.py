"""The recorded stores, made ready for a test: as the file that was recorded, or in PostgreSQL."""

from __future__ import annotations

import gzip
import sqlite3
from contextlib import closing
from pathlib import Path

import psycopg

from smithers.store import migrate

STORES = Path(__file__).parent / "stores"
REVISIONS = sorted(path.name.partition(".")[0] for path in STORES.glob("*.db.gz"))
LACKING = {"lacking/cache": ("task_cache",), "lacking/cache-and-sources": ("task_cache", "sources")}
"""Stores of schema 0008 that lack tables which it has, as some builds have made them."""


def unpack(revision: str, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.decompress((STORES / f"{revision}.db.gz").read_bytes()))


def rebuild(revision: str, scratch: Path, url: str) -> None:
    """Fills an empty PostgreSQL database with the tables of that revision, and these with the recorded rows."""
    unpack(revision, scratch)
    migrate.upgrade(url, to="0008" if revision in LACKING else revision)
    with closing(sqlite3.connect(scratch)) as source, psycopg.connect(url) as target:
        for table in LACKING.get(revision, ()):
            target.execute(f"DROP TABLE {table}".encode())
        tables = [name for (name,) in source.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            copy(source, target, table)


def copy(source: sqlite3.Connection, target: psycopg.Connection, table: str) -> None:
    if table == "alembic_version":
        return
    columns = [row[1] for row in source.execute(f"PRAGMA table_info({table})")]
    rows = source.execute(f"SELECT {', '.join(columns)} FROM {table}").fetchall()
    with target.cursor() as cursor:
        values = ", ".join(["%s"] * len(columns))
        cursor.executemany(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({values})".encode(), rows)
        if rows and (table in ("runs", "codes", "log_lines")):
            after = max(row[columns.index("id")] for row in rows) + 1
            cursor.execute(f"ALTER TABLE {table} ALTER COLUMN id RESTART WITH {after}".encode())
