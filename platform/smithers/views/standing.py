"""How the open nodes of a run stand to each other: who comes before whom, who holds a slot, what is reserved.

Rows say what is around a node (`engine/around.py`) and how each node stands now. From both follows what keeps a pending
node from beginning, in the order in which a plan asks: what it depends on, what comes before it, the caps around it,
the budgets around it. A plan decides; this tells people what it has gone by.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from smithers.engine.entry import Json, node_key, split_node_key
from smithers.engine.fold import fold
from smithers.engine.frame import NodeRow
from smithers.engine.state import OPEN_STATES, QUEUED, State, most_in_flight
from smithers.flow.usage import usd
from smithers.store.interface import Store
from smithers.store.records import Run
from smithers.store.states import newest_state
from smithers.views.attempts import node_entries

IN_FLIGHT: Final = ("running", "cancelling", QUEUED)
"""States of tasks that have a slot in the caps around them."""
OVER: Final = ("finished", "skipped", "cancelled", "failed")
STEP: Final = re.compile(r"([.|])(\d+)")
RUN: Final = ""
"""Stands for the run, among the groups that have a cap."""
NO_TASKS: Final = ("approval", "humantask", "timer", "wait-for-event", "signal")
"""Kinds of nodes that need no slot."""
Steps = tuple[tuple[str, int], ...]


def is_open(row: NodeRow) -> bool:
    return row.state in OPEN_STATES


def in_order(path: Steps) -> bool:
    """Whether those beside it come before or after it."""
    return bool(path) and path[-1][0] == "."


def around(row: NodeRow) -> Json:
    return row.around or {}


def steps(row: NodeRow) -> Steps:
    """Where the node stands, see `engine/around.py`."""
    found = STEP.findall(around(row).get("path", ""))
    return tuple((how, int(index)) for how, index in found)


def turns_of(row: NodeRow) -> list[str]:
    return row.iteration.split(".") if row.iteration else []


def order(row: NodeRow) -> tuple[int, ...]:
    return tuple(index for _, index in steps(row))


@dataclass(frozen=True, slots=True)
class Cap:
    """A group, or the run, in which so many tasks may be in flight at once."""

    group: str
    most: int
    kind: str = "run"
    id: str = ""

    @property
    def told(self) -> str:
        if self.kind == "run":
            return f"the run (max_in_flight: {self.most} at a time)"
        what = "merge queue" if self.kind == "merge-queue" else "Parallel"
        return f"{what}{f' {self.id!r}' if self.id else ''} ({self.most} at a time)"

    def wire(self) -> Json:
        return {"kind": self.kind, "id": self.id or None, "limit": self.most}


@dataclass(frozen=True, slots=True)
class Share:
    """What a task in flight has reserved in a budget: tokens, or billionths of a dollar."""

    row: NodeRow
    amount: int


@dataclass(frozen=True, slots=True)
class Account:
    """One budget of an `Aspects`, and how it stands: tokens, or billionths of a dollar."""

    name: str
    kind: str
    """tokens or nano_usd."""
    limit: int
    spent: int
    shares: tuple[Share, ...]

    @property
    def reserved(self) -> int:
        return sum(share.amount for share in self.shares)

    @property
    def free(self) -> int:
        return max(0, self.limit - self.spent - self.reserved)

    def shown(self, amount: int) -> str:
        return f"{amount} tokens" if self.kind == "tokens" else f"${usd(amount):g}"

    def number(self, amount: int) -> float:
        """For programs: tokens, or dollars."""
        return amount if self.kind == "tokens" else usd(amount)


@dataclass(slots=True)
class Standing:
    """Of one run at one moment. All of it costs what the run has nodes; one node then costs what is around it."""

    store: Store
    run: Run
    rows: Sequence[NodeRow]
    by_id: dict[str, dict[str, NodeRow]] = field(default_factory=dict[str, dict[str, NodeRow]])
    """Node id -> iteration -> row."""
    sequences: dict[Steps, dict[int, list[NodeRow]]] = field(default_factory=dict[Steps, dict[int, list[NodeRow]]])
    """Open nodes that what comes later waits for: by sequence, and which of its children they are below."""
    begun: set[Steps] = field(default_factory=set[Steps])
    """Places of nodes that are open, and not pending."""
    holding: dict[str, list[NodeRow]] = field(default_factory=dict[str, list[NodeRow]])
    """Tasks that have a slot, by group."""
    states: list[State] = field(default_factory=list[State])

    @classmethod
    def of(cls, store: Store, run: Run) -> Standing:
        return cls(store, run, store.nodes(run.run_id))

    def __post_init__(self) -> None:
        for row in self.rows:
            self.by_id.setdefault(row.node, {})[row.iteration] = row
            if is_open(row) and not around(row).get("aside"):
                self.note_place(row)
            if row.state in IN_FLIGHT:
                for group in (RUN, *(cap["group"] for cap in around(row).get("caps", []))):
                    self.holding.setdefault(group, []).append(row)

    def note_place(self, row: NodeRow) -> None:
        path = steps(row)
        if row.state != "pending":
            self.begun.add(path)
        for at, (how, index) in enumerate(path):
            if how == ".":
                self.sequences.setdefault(path[:at], {}).setdefault(index, []).append(row)

    @property
    def pending(self) -> list[NodeRow]:
        """In the order of the tree. Rows of older versions do not say where they stand and are left out."""
        found = [row for row in self.rows if row.state == "pending" and row.around is not None]
        return sorted(found, key=order)

    def begun_ms(self, row: NodeRow) -> int:
        """When the body of its newest attempt was last begun; 0 where it was not."""
        claims = node_entries(self.store, self.run.run_id, "claim", row.node, row.iteration)
        return max((entry.at_ms for entry in claims if entry.data["attempt"] == row.attempt), default=0)

    def due_ms(self, row: NodeRow) -> int:
        """When its newest attempt may begin; 0 where it may."""
        opened = (one.command for one in self.store.open_commands(self.run.run_id))
        return next((one.due_ms for one in opened if (one.node, one.iteration) == (row.node, row.iteration)), 0)

    # what it depends on

    def unmet(self, row: NodeRow) -> list[tuple[str, NodeRow | None]]:
        """Ids it depends on and that are not over for it, with their rows where there are some."""
        found = [(id, self.meant(row, id)) for id in around(row).get("needs", [])]
        return [(id, other) for id, other in found if other is None or not self.is_met(row, other)]

    def meant(self, row: NodeRow, id: str) -> NodeRow | None:
        """The node of that id in the passes that the row is in, and the latest of those that it is not in."""
        known = self.by_id.get(id, {})
        if "" in known or not known:
            return known.get("")
        shared = self.shared(row, id)
        mine = [one for one in known.values() if turns_of(one)[:shared] == turns_of(row)[:shared]]
        return max(mine, key=lambda one: [int(turn) for turn in turns_of(one)], default=None)

    def is_met(self, row: NodeRow, other: NodeRow) -> bool:
        if other.state == "failed":
            return node_key(other.node, other.iteration) in self.state.absent
        return other.state in OVER and (not other.iteration or not self.loop_goes_on(row, other))

    def shared(self, row: NodeRow, id: str) -> int:
        """How many loops are around both."""
        mine, loops = self.loops(row.node), self.loops(id)
        most = min(len(mine), len(loops))
        return next((at for at in range(most) if mine[at] != loops[at]), most)

    def loops(self, id: str) -> list[str]:
        home = self.state.homes.get(id, "")
        return home.split("/") if home else []

    def loop_goes_on(self, row: NodeRow, other: NodeRow) -> bool:
        """Whether the outermost loop that is around the other only is not over (as `waits.standing` asks)."""
        loops, shared = self.loops(other.node), self.shared(row, other.node)
        if len(loops) <= shared:
            return False
        return node_key(loops[shared], ".".join(turns_of(row)[:shared])) not in self.state.ended_loops

    # what comes before it

    def before(self, row: NodeRow) -> list[NodeRow]:
        """Open nodes that come before it in a sequence around both, in the order of the tree."""
        path = steps(row)
        found: dict[str, NodeRow] = {}
        for at, (how, index) in enumerate(path):
            for child, others in self.sequences.get(path[:at], {}).items() if how == "." else ():
                if child <= index:
                    earlier = [other for other in others if child < index or self.is_ahead(row, other)]
                    found |= {node_key(other.node, other.iteration): other for other in earlier}
        return sorted(found.values(), key=order)

    def is_ahead(self, row: NodeRow, other: NodeRow) -> bool:
        """Another has begun in the very place in which the row was written: it stands behind that by now."""
        return other is not row and other.state != "pending" and steps(other) == steps(row) and in_order(steps(row))

    def is_free(self, row: NodeRow) -> bool:
        """Whether its turn has come, as far as other nodes go."""
        path = steps(row)
        places = ((path[:at], index) for at, (how, index) in enumerate(path) if how == ".")
        is_behind = any(min(self.sequences.get(place, {index: []})) < index for place, index in places)
        return not is_behind and not (in_order(path) and path in self.begun) and not self.unmet(row)

    # caps

    def caps(self, row: NodeRow) -> Iterator[Cap]:
        """Innermost first."""
        for cap in around(row).get("caps", []):
            yield Cap(cap["group"], cap["most"], cap["kind"], cap["id"])
        yield Cap(RUN, most_in_flight(self.run.options))

    def holders(self, cap: Cap) -> list[NodeRow]:
        return self.holding.get(cap.group, [])

    def full(self, row: NodeRow) -> Cap | None:
        """The innermost cap around a task that has no slot left."""
        if row.kind in NO_TASKS:
            return None
        return next((cap for cap in self.caps(row) if len(self.holders(cap)) >= cap.most), None)

    def line(self, cap: Cap) -> list[NodeRow]:
        """Those that wait for a slot of this cap and for nothing else, in the order in which they get one."""
        return [row for row in self.pending if self.is_free(row) and self.full(row) == cap]

    # budgets

    def short(self, row: NodeRow) -> Account | None:
        """The innermost budget in which what the task reserves does not fit beside what others have reserved."""
        need: list[int] = around(row).get("reserves", [])
        scopes: list[Json] = around(row).get("budgets", []) if need else []
        for scope in scopes:
            for account, mine in zip(self.accounts(scope), need, strict=True):
                if account is not None and account.shares and mine and account.free < mine:
                    return account
        return None

    def accounts(self, scope: Json) -> tuple[Account | None, Account | None]:
        return self.account(scope, "tokens", 0), self.account(scope, "nano_usd", 1)

    def account(self, scope: Json, kind: str, at: int) -> Account | None:
        if kind not in scope:
            return None
        spent = self.state.spent.get(scope["scope"], (0, 0))[at]
        return Account(scope["name"], kind, scope[kind], spent, tuple(self.shares(scope["scope"], at)))

    def shares(self, scope: str, at: int) -> Iterator[Share]:
        for key in self.state.by_command.values():
            node, iteration = split_node_key(key)
            charge: list[Any] | None = self.state.nodes[key].charge
            row = self.by_id.get(node, {}).get(iteration)
            if charge is not None and scope in charge[0] and row is not None:
                yield Share(row, charge[1 + at])

    @property
    def state(self) -> State:
        """Folded from the log, which is read only where a budget is asked for."""
        if not self.states:
            self.states.append(folded(self.store, self.run.run_id))
        return self.states[0]


def folded(store: Store, run_id: str) -> State:
    """From the newest snapshot, if there is one that can be read, and what has followed."""
    known = newest_state(store, run_id) or State(run_id=run_id)
    return fold(known, store.entries(run_id, after=known.position))
