"""Short ways to write what the suite appends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from smithers.engine.command import Command
from smithers.engine.entry import Entry, Fact, Need, NewestClaim, NodeState, OpenCommand, claim_key, ended_key
from smithers.engine.frame import NodeRow
from smithers.store.interface import Store
from smithers.store.records import Append, Appended, NewRun, PlanWrite, Run

NOW = 1_800_000_000_000
DIGEST = "d1" * 32


def new_run(run_id: str, **changes: Any) -> NewRun:
    values: dict[str, Any] = {"workflow": "ship", "input": {"title": "x"}, "digest": DIGEST, "source": "/p/flow.py"}
    return NewRun(run_id, **(values | changes))


def fact(key: str, needs: Need | None = None, **data: Any) -> Fact:
    return Fact("signal", key, data, needs)


def ended(n: int, node: str = "build", **data: Any) -> Fact:
    return Fact("ended", ended_key(node, "0", 1), {"n": n, "outcome": "finished", **data}, OpenCommand(n))


def claimed(n: int, node: str = "build", nth: int = 1) -> Fact:
    return Fact("claim", claim_key(node, "0", 1, nth), {"n": n}, OpenCommand(n, closes=False))


def settled(n: int, nth: int, node: str = "build") -> Fact:
    return Fact("settled", f"settled:{n}", {"n": n}, NewestClaim(n, node, "0", 1, nth))


def died(n: int, nth: int, node: str = "build") -> Fact:
    return Fact("died", f"died:{n}:{nth}", {"n": n}, NewestClaim(n, node, "0", 1, nth, closes=False))


def decided(node: str) -> Fact:
    return Fact("decided", f"decided:{node}:0", {"approved": True}, NodeState(node, "0", ("waiting-approval",)))


def command(n: int, node: str = "build", **changes: Any) -> Command:
    return Command(n, **({"kind": "run", "node": node, "iteration": "0", "attempt": 1} | changes))


def node(name: str, state: str, iteration: str = "0", **changes: Any) -> NodeRow:
    return NodeRow(name, iteration, changes.pop("kind", "task"), state, **changes)


def plan(base: int, covers: int, number: int = 1, commands: tuple[Command, ...] = (), **changes: Any) -> PlanWrite:
    frame = Fact("frame", f"frame:{number}", {"number": number, "commands": [one.n for one in commands]})
    return PlanWrite(base, covers, changes.pop("owner", 0), frame, commands, **changes)


@dataclass(frozen=True)
class Maker:
    """A run and its store."""

    store: Store
    id: str

    @classmethod
    def start(cls, store: Store, run_id: str, **changes: Any) -> Maker:
        store.create_run(new_run(run_id, **changes))
        return cls(store, run_id)

    def append(self, *facts: Fact, **rest: Any) -> Appended:
        return self.store.append(Append(self.id, facts, **rest))

    def plan(self, *commands: Command, number: int = 1, **changes: Any) -> Appended:
        """Plans for all that is stored, and expects that to be taken."""
        now = self.row
        done = self.append(plan=plan(now.planned, now.head, number, commands, **changes))
        assert done.planned
        return done

    @property
    def row(self) -> Run:
        return self.store.run(self.id)

    @property
    def log(self) -> list[Entry]:
        return self.store.entries(self.id)

    @property
    def keys(self) -> list[str]:
        return [entry.key for entry in self.log]

    @property
    def open(self) -> list[int]:
        return [row.command.n for row in self.store.open_commands(self.id)]
