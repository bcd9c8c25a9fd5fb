"""Deletes a run: one transaction, after which nothing tells that it was there.

Blobs are shared by content, so one goes only when no row of another run and no code names it. A writer may be storing
the same content at that moment. On SQLite there is one writer at a time. On PostgreSQL whoever stores a blob locks its
row, also where it is there already (`sql.INSERT_BLOB`); we lock the rows first and ask who names them afterwards, in a
statement of its own, which sees what the one we have waited for has stored. Blobs that were written by themselves
(`write_blob`) are named by no row, and stay.

A run's id and its idempotency key are free again: the same request makes a new run. What other rows say of a run (the
last one of a schedule) names it still, and may find nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from smithers.engine.entry import Json
from smithers.engine.state import FINAL
from smithers.errors import RunNotFound, WrongState
from smithers.store import sql
from smithers.store.database import Connection
from smithers.store.interface import Store
from smithers.store.records import Deleted, Search
from smithers.store.texts import loads

PAGE = 200


def delete(connection: Connection, run_id: str) -> Deleted:
    """Raises `RunNotFound`, and `WrongState` for a run that has not ended."""
    row = connection.execute(sql.LOCK_RUN, (run_id,)).fetchone()
    if row is None:
        raise RunNotFound(f"There is no run {run_id!r}.", run_id=run_id)
    run, status, head = row[0], row[2], row[3]
    if status not in FINAL:
        raise WrongState(
            f"Run {run_id!r} is {status}: only a run that has ended is deleted. Nothing was changed. `smithers cancel "
            f"{run_id}` ends it.",
            run_id=run_id,
            status=status,
        )
    span = (run * sql.PER_RUN, (run + 1) * sql.PER_RUN)
    named = sorted(
        {loads(text)["$blob"] for (text,) in connection.execute(sql.BLOBS_OF, (*span, *span, run, run)).fetchall()}
    )
    for statement in sql.DELETE_SPANS:
        connection.execute(statement, span)
    for statement in sql.DELETE_OF_RUN:
        connection.execute(statement, (run,))
    freed = [size for size in (free(connection, sha256) for sha256 in named) if size is not None]
    return Deleted(run_id, head, len(freed), sum(freed))


def free(connection: Connection, sha256: str) -> int | None:
    """The size of what was stored, if it is gone now."""
    connection.execute(sql.LOCK_BLOB, (sha256,)).fetchone()
    text = f'{{"$blob":"{sha256}"}}'
    gone = connection.execute(sql.DELETE_BLOB, (sha256, text, text, text, text, f"%{sha256}%")).fetchone()
    return gone[0] if gone else None


@dataclass(frozen=True, slots=True)
class Old:
    """What runs are old enough to go."""

    before_ms: int
    """They have ended before this."""
    statuses: tuple[str, ...] = tuple(sorted(FINAL))
    workflow: str = ""


def old_runs(store: Store, old: Old) -> Iterator[Json]:
    """Those that have ended and nothing has happened to since, newest first: `run_id`, `workflow`, `status`,
    `updated_ms`."""
    before = ""
    while True:
        page = store.search(Search(old.statuses, old.workflow, until_ms=old.before_ms, before=before, limit=PAGE))
        for run in page:
            if run.updated_ms < old.before_ms:
                about = {"status": run.status, "updated_ms": run.updated_ms}
                yield {"run_id": run.run_id, "workflow": run.workflow, **about}
        if len(page) < PAGE:
            return
        before = page[-1].run_id


def prune(store: Store, old: Old, *, most: int | None = None) -> list[Deleted]:
    """Deletes them; one that was opened again meanwhile, or that somebody else has deleted, is passed over."""
    names = [run["run_id"] for run in old_runs(store, old)]
    deleted: list[Deleted] = []
    for run_id in names[: most if most is not None else len(names)]:
        try:
            deleted.append(store.delete_run(run_id))
        except (RunNotFound, WrongState):
            continue
    return deleted
