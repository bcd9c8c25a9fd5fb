"""What a delivery finds before it begins a body: somebody may have begun it already, and may still be at it.

Deaths are counted here, and only here: a claim that has no end and whose process is gone. A hand-over, a store that
was away, and a claim whose body was never begun do not count. Nor does the end of a worker while the body ran alone,
in a process of its own: it cannot have been the body that took the worker with it. (That process dying is a death; the
worker sees it and says so itself, see `attempt.py`.) They are told apart by who made the claim:

    a newer delivery of our step  leave it to that
    a body in this process        attach to it
    a result in the spool         use it
    this process, but no body     the claim was stored and the answer lost: `released`
    a process here that lives     Temporal gave it up too early: wait for it, up to a minute
    a process that is gone, or
    that cannot be seen           `died`; `released` if the claim says that the body runs alone
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from smithers.engine.command import Command
from smithers.engine.entry import Json
from smithers.store.interface import Store
from smithers.store.records import Append
from smithers.temporal.facts import claim_ended, worker_lost
from smithers.temporal.identity import Identity
from smithers.temporal.running import BodyTable, Ended, Running
from smithers.temporal.spool import Spool
from smithers.temporal.workshop import HandOver

WAIT_S: Final = 60.0
MOST_LOST: Final = 10
"""Workers that may go away over bodies that run alone before these are blamed after all: a container that is out of
memory may be ended as a whole."""
LOOK_EVERY_S: Final = 0.1


@dataclass(frozen=True, slots=True)
class Begin:
    """The body is to begin."""

    nth: int
    deaths: int
    why: str = ""
    """How it died the last time."""


@dataclass(frozen=True, slots=True)
class Over:
    """The command was closed by somebody else."""


Found = Begin | Over | Running | Ended


@dataclass(frozen=True, slots=True)
class Claims:
    """The claims on one attempt of one task."""

    store: Store
    table: BodyTable
    spool: Spool
    run_id: str
    command: Command
    epoch: int
    worker: str
    owner: int
    """Number of our step."""
    delivery: tuple[int, int]
    """Begin of the driver's Temporal run, and Temporal's attempt: they order the deliveries of one step."""
    superseded: Callable[[], bool]
    stopping: Callable[[], bool]

    def look(self) -> Found:
        claims = read_claims(self.store, self.run_id, self.command)
        if not claims:
            return Begin(1, 0)
        newest = claims[-1]
        if (newest["since"], newest["delivery"]) > self.delivery and newest["owner"] == self.owner:
            return Over()
        held = self.held(newest)
        if held is None and not self.marked(newest):
            held = self.wait(newest)
            if held is None:
                self.mark(newest)
        if held is not None:
            return held
        numbers = {claim["n"] for claim in claims}
        released = [entry for n in numbers for entry in self.store.entries_by_key(self.run_id, f"released:{n}:")]
        lost = sum(bool(entry.data.get("lost")) for entry in released)
        deaths = len(claims) - len(released) + (lost if lost >= MOST_LOST else 0)
        died = self.store.entries_by_key(self.run_id, f"died:{newest['n']}:")
        return Begin(newest["nth"] + 1, deaths, died[-1].data["why"] if died else "")

    def held(self, claim: Json) -> Running | Ended | None:
        running = self.table.get(self.run_id, claim["n"])
        if running is not None and running.nth == claim["nth"]:
            return running
        return self.spool.get(self.run_id, claim["n"], self.command.attempt)

    def marked(self, claim: Json) -> bool:
        suffix = f"{claim['n']}:{claim['nth']}"
        return any(self.store.entries_by_key(self.run_id, f"{kind}:{suffix}") for kind in ("died", "released"))

    def wait(self, claim: Json) -> Over | Ended | None:
        """While the claim's process lives on this machine. None once it is certain, or time, to begin again.

        A process may put a result into the spool as the last thing that it does, so the spool is looked at once more
        when it is gone.
        """
        owner = Identity.read(claim["worker"])
        until = time.monotonic() + WAIT_S
        while owner is not None and claim["worker"] != self.worker and owner.standing() == "alive":
            spooled = self.spool.get(self.run_id, claim["n"], self.command.attempt)
            if spooled is not None:
                return spooled
            if self.stopping():
                raise HandOver
            if self.superseded() or not self.store.command(self.run_id, self.command.n)[1]:
                return Over()
            if self.marked(claim) or time.monotonic() > until:
                break
            time.sleep(LOOK_EVERY_S)
        return self.spool.get(self.run_id, claim["n"], self.command.attempt)

    def mark(self, claim: Json) -> None:
        owner = Identity.read(claim["worker"])
        lives = claim["worker"] == self.worker or (owner is not None and owner.standing() == "alive")
        released = claim_ended("released", claim, "its process lives, but the body does not run there")
        fact = released if lives else worker_lost(claim, "its process is gone")
        self.store.append(Append(self.run_id, (fact,), epoch=self.epoch))


def read_claims(store: Store, run_id: str, command: Command) -> list[Json]:
    """All claims on the attempt that the command is for, also those under earlier numbers, in their order."""
    c = command
    entries = store.entries_by_key(run_id, f"claim:{c.node}:{c.iteration}:a{c.attempt}:")
    return sorted((entry.data for entry in entries), key=lambda data: data["nth"])
