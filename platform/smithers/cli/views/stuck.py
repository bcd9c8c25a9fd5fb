"""What keeps open runs from going on: what each waits for, who works on it, and whether a ring would help."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from smithers.cli.views.why import due_facts, explain
from smithers.engine.entry import Json
from smithers.store.interface import Store
from smithers.store.records import Run
from smithers.temporal.claims import read_claims
from smithers.temporal.identity import Identity
from smithers.views.nodes import named
from smithers.views.reasons import Reason
from smithers.views.times import iso, now_ms, span
from smithers.worker.sweeper import Why, why_ring

TOLD: Final[dict[Why, str]] = {
    "unplanned": "something was stored that nobody has acted upon",
    "undriven": "Temporal knows no driver of it",
    "forgotten": "a task or a timer is due that nobody has begun",
}


@dataclass(frozen=True, slots=True)
class DeadClaim:
    """A task whose body was begun by a process of this machine that is gone."""

    node: str
    iteration: str
    attempt: int
    worker: str

    def wire(self) -> Json:
        place: Json = {"nodeId": self.node, "iteration": self.iteration or "0", "attempt": self.attempt}
        return place | {"worker": self.worker}


@dataclass(frozen=True, slots=True)
class Finding:
    """How one open run stands."""

    run: Run
    """As people see it: with the status of what its child runs wait for."""
    stuck: Why
    unplanned: int
    """Facts that no frame covers."""
    dead: tuple[DeadClaim, ...]
    waits: tuple[Reason, ...]
    skipped: str = ""
    """Why it is not rung though it is stuck: `missing-workflow`, `rate-limited`, `no-worker`."""
    rung: bool = False

    @property
    def needs_help(self) -> bool:
        return bool(self.stuck or self.dead)

    def wire(self) -> Json:
        return {
            "runId": self.run.run_id,
            "workflow": self.run.workflow,
            "status": self.run.status,
            "stuck": self.stuck or None,
            "since": iso(self.run.updated_ms),
            "unplanned": self.unplanned,
            "deadClaims": [claim.wire() for claim in self.dead],
            "waits": [reason.wire() for reason in self.waits],
            "skipped": self.skipped or None,
            "rung": self.rung,
        }

    def lines(self) -> list[str]:
        """For a person."""
        still = span(now_ms() - self.run.updated_ms)
        found = [f"{self.run.run_id} ({self.run.workflow}): {self.run.status}, unchanged for {still}"]
        found += [f"  ! {TOLD[self.stuck]}"] if self.stuck else []
        found += [f"  ! the process that ran {named(one.node, one.iteration)} is gone" for one in self.dead]
        found += [f"  · {reason.text.splitlines()[0]}" for reason in self.waits if reason.kind != "worker"]
        if self.skipped:
            found.append(f"  {SKIPPED[self.skipped].format(run=self.run.run_id, source=self.run.source)}")
        return [*found, "  → rung"] if self.rung else found


SKIPPED: Final = {
    "missing-workflow": "not rung: its workflow file is gone: {source}",
    "rate-limited": "not rung yet: others come first (--max-concurrent)",
    "no-worker": "nobody heard: `smithers start` keeps a worker here, or `smithers up --resume {run}`",
}


def look_at(store: Store, run: Run, driven: set[str] | None, *, has_worker: bool, old_ms: int) -> Finding:
    """`driven` are the runs whose driver Temporal knows; None where Temporal could not be asked."""
    is_driven = driven is None or run.run_id in driven
    stuck = why_ring(store, run, is_driven=is_driven, old_ms=old_ms)
    why = explain(store, run, has_worker=has_worker)
    missing = "missing-workflow" if stuck and not Path(run.source).exists() else ""
    return Finding(why.run, stuck, len(due_facts(store, run)), tuple(dead_claims(store, run)), why.reasons, missing)


def dead_claims(store: Store, run: Run) -> list[DeadClaim]:
    found: list[DeadClaim] = []
    for row in store.open_commands(run.run_id):
        command = row.command
        claims = read_claims(store, run.run_id, command) if command.kind in ("run", "child") else []
        worker = str(claims[-1].get("worker", "")) if claims else ""
        owner = Identity.read(worker)
        if owner is not None and owner.standing() == "gone":
            found.append(DeadClaim(command.node, command.iteration, command.attempt, worker))
    return found
