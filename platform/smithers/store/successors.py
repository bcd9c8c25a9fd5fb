"""The run that goes on for another one, made in the transaction that ends that one as `continued`.

So there is never a run that has continued without the one that goes on for it, and never two. It is rung afterwards;
the sweeper finds it where that gets lost. Its id is made from its place in the chain; where somebody has that id, a
number is put behind. `continued`, in the log of the run before, says which it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, count
from typing import TYPE_CHECKING

from smithers.engine.entry import Entry, Json
from smithers.engine.state import CONTINUED
from smithers.store import sql
from smithers.store.database import Connection
from smithers.store.making import NewRunTexts, make_run
from smithers.store.marks import CHAIN, LONGEST_NAME, short
from smithers.store.records import Run, Search
from smithers.store.texts import dumps

if TYPE_CHECKING:
    from smithers.store.appending import Log
    from smithers.store.interface import Store


def succeed(log: Log, texts: NewRunTexts, size_bytes: int, code: str) -> None:
    """Makes the other run, and says so. Called behind the frame that ends this one."""
    run_id = begin(log.connection, texts, log.at_ms)
    link: Json = texts.new.continues or {}
    above: int = (texts.new.parent or {}).get("depth", 0)
    data: Json = {"run": run_id, "root": link["root"], "generation": link["generation"], "bytes": size_bytes}
    data["depth"] = link["generation"] + above
    log.put(CONTINUED, CONTINUED, data, dumps(data).decode(), code)


def begin(connection: Connection, texts: NewRunTexts, now_ms: int) -> str:
    """Returns the id of the run that is made."""
    wanted = texts.new.run_id
    ids = chain([wanted], (f"{wanted}-{number}" for number in count(2)))
    return next(run_id for run_id in ids if make_run(connection, texts, now_ms, run_id=run_id))


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
