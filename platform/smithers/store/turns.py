"""Tickets for queues that runs share: who waits, who has a slot, and the transaction that gives one.

A ticket is written with the frame whose `turn` command asks for it (`engine/turns.py`), and goes with what says that it
is not wanted any more: the end of the attempt, a frame, a reset, a pause before the task has begun, the end of the run.
All of these happen under the lock of the run whose ticket it is. Nobody who gives a slot back gives it on: that is a
transaction of its own, on the run that gets it, so that no transaction locks two runs. Whoever has changed something
calls it once that is stored; after a crash in between the sweeper does.

Locks are taken in this order: the parent's run, the run, queues by name. Places in a queue, and slots, are given under
the lock of the queue's row. Where runs name different limits for a queue (their code differs), the lowest counts.
"""

from __future__ import annotations

from typing import Final

from smithers.engine.entry import Json
from smithers.errors import RunNotFound
from smithers.store import sql
from smithers.store.appending import Log
from smithers.store.database import Connection
from smithers.store.texts import dumps

MOST_TRIES: Final = 1000
"""Races of one call. Each means that another process has given a slot, or taken a ticket back."""


def first_waiting(connection: Connection, queue: str) -> tuple[str, int, str, str, int] | None:
    """Whose turn is next: run id, run, node, iteration, command. None where the queue is full, or nobody waits whose
    run goes on."""
    held, most = connection.execute(sql.SLOTS, (queue,)).fetchone()
    if most is None or held >= most:
        return None
    return connection.execute(sql.FIRST_WAITING, (queue,)).fetchone()


def give(connection: Connection, queue: str, run_id: str, now_ms: int) -> bool:
    """Gives a free slot to a run. False where it is not the first that waits any more, or the queue is full."""
    try:
        log = Log(connection, run_id, now_ms)
    except RunNotFound:
        return False
    connection.execute(sql.LOCK_QUEUE, (queue,)).fetchone()
    first = first_waiting(connection, queue)
    if first is None or first[0] != run_id:
        return False
    _, run, node, iteration, n = first
    attempt = log.attempt_of(n)
    if attempt is None:  # nobody waits for it
        log.leave_queue(node, iteration)
        return False
    data: Json = {"n": n, "node": node, "iteration": iteration, "attempt": attempt, "queue": queue}
    log.put("admitted", f"admitted:{n}", data, dumps(data).decode())
    log.close_commands((n,))
    connection.execute(sql.HOLD_SLOT, (run, node, iteration))
    log.save()
    return True
