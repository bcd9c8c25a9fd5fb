"""The run that goes on for another one, made in the transaction that ends that one as `continued`.

So there is never a run that has continued without the one that goes on for it, and never two. It is rung afterwards;
the sweeper finds it where that gets lost. Its id is made from its place in the chain; where somebody has that id, a
number is put behind. `continued`, in the log of the run before, says which it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, count
from typing import TYPE_CHECKING, Final

from smithers.engine.entry import Entry, Json
from smithers.store import sql
from smithers.store.database import Connection
from smithers.store.marks import CHAIN, LONGEST_NAME, marks_of, short
from smithers.store.records import NewRun, Run, Search, started
from smithers.store.texts import Encoder, dumps

if TYPE_CHECKING:
    from smithers.store.appending import Log
    from smithers.store.interface import Store

CONTINUED: Final = "continued"


@dataclass(frozen=True, slots=True)
class SuccessorTexts:
    """What the other run's log begins with, as text."""

    new: NewRun
    entries: tuple[tuple[str, str, str], ...]
    """Kind, key and data, in order."""


def prepare(new: NewRun, encoder: Encoder) -> SuccessorTexts:
    kept = [(fact.kind, fact.key, encoder.text(fact.data)) for fact in new.kept]
    return SuccessorTexts(new, (("started", "started", encoder.text(started(new))), *kept))


def succeed(log: Log, texts: SuccessorTexts, size_bytes: int, code: str) -> None:
    """Makes the other run, and says so. Called behind the frame that ends this one."""
    run_id = begin(log.connection, texts, log.at_ms)
    link: Json = texts.new.continues or {}
    above: int = (texts.new.parent or {}).get("depth", 0)
    data: Json = {"run": run_id, "root": link["root"], "generation": link["generation"], "bytes": size_bytes}
    data["depth"] = link["generation"] + above
    log.put(CONTINUED, CONTINUED, data, dumps(data).decode(), code)


def begin(connection: Connection, texts: SuccessorTexts, now_ms: int) -> str:
    """Returns the id of the run that is made."""
    new = texts.new
    ids = chain([new.run_id], (f"{new.run_id}-{number}" for number in count(2)))
    run_id, run = next((run_id, run) for run_id in ids if (run := make(connection, run_id, new, now_ms)))
    entries = enumerate(texts.entries, 1)
    rows = [(run * sql.PER_RUN + seq, run, kind, key, text, now_ms, 0) for seq, (kind, key, text) in entries]
    connection.executemany(sql.INSERT_ENTRY, rows)
    connection.execute(sql.ADVANCE_RUN, (len(rows), 0, now_ms, run))
    connection.executemany(sql.INSERT_MARK, [(name, value, run) for name, value in marks_of(started(new))])
    return run_id


def make(connection: Connection, run_id: str, new: NewRun, now_ms: int) -> int:
    """The row's number; 0 where somebody has the id."""
    row = (run_id, new.workflow, new.digest, new.source, now_ms, now_ms, None)
    made: tuple[int] | None = connection.execute(sql.INSERT_RUN, row).fetchone()
    return 0 if made is None else made[0]


def last_marked(connection: Connection, root: str) -> str:
    """The last run of the chain that began with `root`, within a transaction."""
    row = connection.execute(sql.LAST_MARKED, (CHAIN, short(root, LONGEST_NAME))).fetchone()
    return root if row is None else row[0]


# Read by whoever follows runs


def following(store: Store, run_id: str) -> str:
    """The id of the run that goes on for this one; empty where none does."""
    found: Sequence[Entry] = store.entries_by_key(run_id, CONTINUED)
    return next((entry.data["run"] for entry in found if entry.key == CONTINUED), "")


def root_of(run: Run) -> str:
    """The id of the run that all began with; its own where it goes on for none."""
    return (run.continues or {}).get("root", run.run_id)


def last_of(store: Store, run: Run) -> Run:
    """The run that goes on now, or went on last, for this one; itself where it has not continued as new."""
    if run.status != CONTINUED:
        return run
    return next(iter(store.search(Search(chain=root_of(run), limit=1))), run)


def current(store: Store, parent: str, launched: str) -> Run:
    """The run that stands for a subflow now: the one that was launched, or the last that goes on for it. The first one
    may be deleted by now. Raises `RunNotFound` where all are."""
    found = store.search(Search(parent=parent, chain=launched, limit=1))
    return found[0] if found else store.run(launched)


def root_launched(launched: Json) -> str:
    """Id of the first run of the chain that a `launched` entry is about."""
    return launched.get("root") or launched["run"]
