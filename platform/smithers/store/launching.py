"""The transaction that starts the run of a subflow.

The parent's row is locked first; that its command is open, and that nobody has launched a child for this attempt, is
checked with it. What is stored is the child's row with its first entry, and `launched` in the parent's log, under the
key of the attempt's first claim: so a command that has a child is not settled either. A crash before the commit leaves
nothing behind, one after it finds the child when the step is delivered again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from smithers.engine.entry import EndedRun, Fact, Json, OpenCommand, claim_key
from smithers.engine.state import CONTINUED
from smithers.errors import RunExists, StaleEpoch
from smithers.store import sql
from smithers.store.appending import FINAL, Log, tell
from smithers.store.database import Connection
from smithers.store.making import NewRunTexts, make_run, prepare_run
from smithers.store.records import Launch, Launched, Told
from smithers.store.successors import last_marked
from smithers.store.texts import Encoder, decode, dumps

PLACE: Final = ("run", "node", "iteration")


@dataclass(frozen=True, slots=True)
class Prepared:
    request: Launch
    texts: NewRunTexts
    """Of the child."""
    encoder: Encoder
    code: int


def prepare(request: Launch, code: int) -> Prepared:
    encoder = Encoder()
    return Prepared(request, prepare_run(request.child, encoder), encoder, code)


def launch(connection: Connection, prepared: Prepared, now_ms: int) -> Launched:
    request, command = prepared.request, prepared.request.command
    assert request.child.parent is not None
    parent = Log(connection, request.child.parent["run"], now_ms, prepared.code)
    if parent.epoch != request.epoch:
        raise StaleEpoch(
            f"Run {request.child.parent['run']!r} is at epoch {parent.epoch}, this writer at {request.epoch}: the run "
            "was resumed or driven again since. No child was started.",
            run_id=request.child.parent["run"],
            epoch=parent.epoch,
        )
    key = claim_key(command.node, command.iteration, command.attempt, 1)
    known = parent.data_of(key)
    if known is not None:
        return Launched(known["run"])
    if parent.objection(OpenCommand(command.n, begins=True)):
        return Launched()
    child = go_on(connection, request, now_ms, prepared.code) or begin(connection, prepared, now_ms)
    about: Json = {"n": command.n, "node": command.node, "iteration": command.iteration, "attempt": command.attempt}
    data: Json = {**about, "nth": 1, "run": child.run_id, **request.by}
    data |= {"root": child.root} if child.root not in ("", child.run_id) else {}
    parent.put("launched", key, data, dumps(data).decode(), request.child.digest)
    parent.save()
    if child.is_over:
        ended: Json = Log(connection, child.run_id, now_ms, prepared.code).ending().get("told") or {}
        told = Told(request.child.parent["run"], command.node, command.iteration, ended, child.root)
        tell(parent, told, child.run_id, request.child.digest)
    return child


def begin(connection: Connection, prepared: Prepared, now_ms: int) -> Launched:
    """A fresh run. Raises `RunExists` if its id is taken."""
    new = prepared.request.child
    if not make_run(connection, prepared.texts, now_ms):
        raise RunExists(
            f"There is a run {new.run_id!r} already, so the subflow cannot start one with this id. Cancel this run and "
            "start it under another id.",
            run_id=new.run_id,
        )
    prepared.encoder.write(connection)
    return Launched(new.run_id)


def go_on(connection: Connection, request: Launch, now_ms: int, code: int) -> Launched | None:
    """The earlier child, opened again; None where there is none that could go on."""
    row = connection.execute(sql.CHILD_OF, (request.goes_on,)).fetchone() if request.goes_on else None
    first: Json = {} if row is None else decode(connection, row[2])
    if not is_ours(first.get("parent"), request.child.parent):
        return None
    continues: Json = first.get("continues") or {}
    root: str = continues.get("root", request.goes_on)
    log = last_of_chain(connection, root, request.goes_on, now_ms, code)
    if log.status in ("cancelled", CONTINUED):
        return None
    if log.status == "failed":
        data: Json = {"by": "its parent", "epoch": log.epoch + 1}
        fact = Fact("resumed", f"resumed:{log.epoch + 1}", data, EndedRun(("failed",)))
        if log.put(fact.kind, fact.key, data, dumps(data).decode(), request.child.digest):
            log.take(fact)
        if log.digest != request.child.digest:  # the parent follows other code since
            moved: Json = {"digest": request.child.digest, "source": request.child.source}
            follow = Fact("follow", f"follow:{log.head}:{request.child.digest[:12]}", moved)
            if log.put(follow.kind, follow.key, moved, dumps(moved).decode(), request.child.digest):
                log.take(follow)
        log.save()
    return Launched(log.run_id, log.status in FINAL, root)


def last_of_chain(connection: Connection, root: str, run_id: str, now_ms: int, code: int) -> Log:
    """The run that goes on for the one that was launched, locked: it may continue as new until then. One that has
    continued is the last where those after it are deleted."""
    log = Log(connection, run_id, now_ms, code)
    while log.status == CONTINUED:
        last = last_marked(connection, root)
        if last in (log.run_id, root):
            break
        log = Log(connection, last, now_ms, code)
    return log


def is_ours(mine: Json | None, wanted: Json | None) -> bool:
    return mine is not None and wanted is not None and all(mine[name] == wanted[name] for name in PLACE)
