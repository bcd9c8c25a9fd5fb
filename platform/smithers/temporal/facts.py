"""The facts that steps write, in one place: their keys and fields are the log's format."""

from __future__ import annotations

from dataclasses import replace

from smithers.engine.command import Command, is_nudge
from smithers.engine.entry import (
    Fact,
    Json,
    Kind,
    Need,
    NewestClaim,
    OpenCommand,
    OpenRun,
    claim_key,
    decided_key,
    ended_key,
)
from smithers.engine.nudges import nudge
from smithers.temporal.order import Signal


def place(command: Command) -> Json:
    return {"n": command.n, "node": command.node, "iteration": command.iteration, "attempt": command.attempt}


def claim(command: Command, nth: int, by: Json) -> Fact:
    """The body of this command begins, for the `nth` time. `by` says which delivery of which step, and where."""
    key = claim_key(command.node, command.iteration, command.attempt, nth)
    return Fact("claim", key, {**place(command), "nth": nth, **by}, OpenCommand(command.n, closes=False, begins=True))


def ended(command: Command, end: Json) -> Fact:
    key = ended_key(command.node, command.iteration, command.attempt)
    queue = (command.payload or {}).get("queue")
    turn: Json = {} if queue is None else {"queue": queue}
    return Fact("ended", key, {**place(command), **end, **turn}, OpenCommand(command.n))


def fired(command: Command) -> Fact:
    """What a timer brings; those that follow a question up have facts of their own."""
    if is_nudge(command):
        return nudge(command)
    about: Json = {"n": command.n, "node": command.node, "iteration": command.iteration}
    return Fact("fired", fired_key(command), about, OpenCommand(command.n))


def fired_key(command: Command) -> str:
    """A timer that ends the wait for a person has the key of the decision: the log takes one of the two."""
    return decided_key(command.node, command.iteration, command.attempt) if command.attempt else f"fired:{command.n}"


def claim_ended(kind: Kind, claimed: Json, why: str, needs: Need | None = None) -> Fact:
    """`died` or `released`: how a claim ended without the end of its body."""
    about: Json = {name: claimed[name] for name in ("n", "node", "iteration", "attempt", "nth")}
    open_command = OpenCommand(claimed["n"], closes=False)
    return Fact(kind, f"{kind}:{claimed['n']}:{claimed['nth']}", {**about, "why": why}, needs or open_command)


def worker_lost(claimed: Json, why: str, needs: Need | None = None) -> Fact:
    """A claim whose worker is gone: a death, unless the body ran alone. Then it did not take the worker with it."""
    if claimed.get("alone"):
        ended = claim_ended("released", claimed, f"{why}; the body ran alone, in another process", needs)
        return replace(ended, data={**ended.data, "lost": True})
    return claim_ended("died", claimed, why, needs)


def settled(command: Command, nth: int, why: str) -> Fact:
    """`nth` is the newest claim on the attempt that the settling step has seen; 0 is none."""
    return Fact("settled", f"settled:{command.n}", {**place(command), "why": why}, newest(command, nth))


def newest(command: Command, nth: int, *, closes: bool = True) -> NewestClaim:
    return NewestClaim(command.n, command.node, command.iteration, command.attempt, nth, closes)


def cancelled_natively(driver: str) -> Fact:
    return Fact("cancel", "cancel", {"by": "temporal", "reason": f"cancelled in Temporal ({driver})"}, OpenRun())


def signalled(signal: Signal) -> Fact:
    about: Json = {"name": signal.name, "payload": signal.value}
    return Fact("signal", f"signal:{signal.name}:{signal.key}", about, OpenRun())
