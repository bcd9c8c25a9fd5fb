"""How a run comes into the store: its row, the first entries of its log, and what it is found by."""

from __future__ import annotations

from dataclasses import dataclass

from smithers.store import sql
from smithers.store.database import Connection
from smithers.store.marks import marks_of
from smithers.store.records import NewRun, started
from smithers.store.texts import Encoder


@dataclass(frozen=True, slots=True)
class NewRunTexts:
    """What its log begins with, as text, made before the transaction."""

    new: NewRun
    entries: tuple[tuple[str, str, str], ...]
    """Kind, key and data, in order."""
    marks: tuple[tuple[str, str], ...]


def prepare_run(new: NewRun, encoder: Encoder) -> NewRunTexts:
    first = started(new)
    kept = [(fact.kind, fact.key, encoder.text(fact.data)) for fact in new.kept]
    return NewRunTexts(new, (("started", "started", encoder.text(first)), *kept), tuple(marks_of(first)))


def make_run(connection: Connection, texts: NewRunTexts, now_ms: int, *, run_id: str = "") -> bool:
    """False where its id, or its idempotency key, is taken. `run_id` stands for that of `texts.new`."""
    new = texts.new
    row = (run_id or new.run_id, new.workflow, new.digest, new.source, now_ms, now_ms, new.idempotency_key or None)
    made: tuple[int] | None = connection.execute(sql.INSERT_RUN, row).fetchone()
    if made is None:
        return False
    run = made[0]
    entries = enumerate(texts.entries, 1)
    rows = [(run * sql.PER_RUN + seq, run, kind, key, text, now_ms, 0) for seq, (kind, key, text) in entries]
    connection.executemany(sql.INSERT_ENTRY, rows)
    if len(rows) > 1:
        connection.execute(sql.ADVANCE_RUN, (len(rows), 0, now_ms, run))
    connection.executemany(sql.INSERT_MARK, [(name, value, run) for name, value in texts.marks])
    return True
