"""The facts that steps write, in one place: their keys and fields are the log's format."""

from __future__ import annotations

from smithers.engine.command import Command
from smithers.engine.entry import Fact, Json, Kind, OpenCommand, OpenRun, claim_key, ended_key
from smithers.temporal.order import Signal


def place(command: Command) -> Json:
    return {"n": command.n, "node": command.node, "iteration": command.iteration, "attempt": command.attempt}


def claim(command: Command, nth: int, by: Json) -> Fact:
    """The body of this command begins, for the `nth` time. `by` says which delivery of which step, and where."""
    key = claim_key(command.node, command.iteration, command.attempt, nth)
    return Fact("claim", key, {**place(command), "nth": nth, **by}, OpenCommand(command.n, closes=False))


def ended(command: Command, end: Json) -> Fact:
    key = ended_key(command.node, command.iteration, command.attempt)
    return Fact("ended", key, {**place(command), **end}, OpenCommand(command.n))


def fired(command: Command) -> Fact:
    about: Json = {"n": command.n, "node": command.node, "iteration": command.iteration}
    return Fact("fired", f"fired:{command.n}", about, OpenCommand(command.n))


def claim_ended(kind: Kind, claimed: Json, why: str) -> Fact:
    """`died` or `released`: how a claim ended without the end of its body."""
    about: Json = {name: claimed[name] for name in ("n", "node", "iteration", "attempt", "nth")}
    return Fact(kind, f"{kind}:{claimed['n']}:{claimed['nth']}", {**about, "why": why})


def settled(command: Command, why: str) -> Fact:
    return Fact("settled", f"settled:{command.n}", {**place(command), "why": why}, OpenCommand(command.n))


def cancelled_natively(driver: str) -> Fact:
    return Fact("cancel", "cancel", {"by": "temporal", "reason": f"cancelled in Temporal ({driver})"}, OpenRun())


def signalled(signal: Signal) -> Fact:
    about: Json = {"name": signal.name, "payload": signal.value}
    return Fact("signal", f"signal:{signal.name}:{signal.key}", about, OpenRun())
