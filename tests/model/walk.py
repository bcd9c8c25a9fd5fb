"""Random walks through flows and faults that are too large to explore: everything comes from the seed.

A walk that breaks an invariant, or from whose last state the end cannot be reached, prints its seed and shrinks: moves,
then nodes of the flow, are left out as long as something still breaks.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from tests.model.graph import STUCK
from tests.model.invariants import broken, final
from tests.model.protocol import begin, moves, take
from tests.model.records import Case, Faults, Label, Move, Node, Rules

NODES = (3, 9)
MOST_FAULTS = 7
FAULT_RATE = 0.12
LIKELY = {"crash": 4, "zombie": 6, "spurious": 3, "terminate": 2}
LONGEST = 3000
"""Moves. A walk of ten nodes and ten faults takes some hundred."""
MOST_TRIES = 400
"""Of shrinking."""


@dataclass(frozen=True, slots=True)
class Walk:
    seed: int
    case: Case
    faults: Faults
    labels: tuple[Label, ...] = ()
    problem: str = ""
    log: str = ""

    def __str__(self) -> str:
        faults = {name: count for name, count in self.faults._asdict().items() if count}
        return "\n".join(
            [
                f"seed {self.seed}: {self.problem or 'ends'} after {len(self.labels)} moves",
                *(f"    {node}" for node in self.case.flow),
                f"    faults {faults}",
                *("    " + " ".join(map(str, label)) for label in self.labels),
                f"    log: {self.log}",
            ]
        )


def flow_of(rng: random.Random, size: int) -> tuple[Node, ...]:
    """A random graph, most of it tasks."""
    nodes: list[Node] = []
    for i in range(size):
        kind = rng.choices(("task", "approval", "timer", "child"), (9, 1, 1, 1))[0]
        before = [node.name for node in nodes[-4:]]
        after = tuple(sorted(rng.sample(before, min(len(before), rng.choice((0, 1, 1, 2))))))
        nodes.append(Node(f"n{i}", kind, after, kind == "task" and rng.random() < 0.7, rng.choice((1, 2, 3))))
    return tuple(nodes)


def faults_of(rng: random.Random) -> Faults:
    names = rng.choices(Faults._fields, [LIKELY.get(name, 1) for name in Faults._fields], k=rng.randint(0, MOST_FAULTS))
    return Faults(**{name: names.count(name) for name in names})


def begin_walk(seed: int, rules: Rules) -> Walk:
    rng = random.Random(seed)
    flow = flow_of(rng, rng.randint(*NODES))
    faults = faults_of(rng)
    return Walk(seed, Case(flow, rules, rng.choice((2, 3))), faults)


def go(walk: Walk) -> Walk:
    return run(walk, Pace(random.Random(f"moves {walk.seed}")).pick)


def run(walk: Walk, choose: Callable[[list[Move]], Move | None]) -> Walk:
    """Until the end, until something breaks, or until `choose` finds nothing to do."""
    state = begin(walk.case, walk.faults)
    labels: list[Label] = []
    problem = ""
    while not problem and not final(state):
        move = choose(list(moves(walk.case, state)))
        if move is None or len(labels) == LONGEST:
            problem = STUCK if move is None else f"no end after {LONGEST} moves"
            break
        labels.append(move.label)
        before, state = state, take(walk.case, move)
        problem = broken(before, state)
    return replace(walk, labels=tuple(labels), problem=problem, log=repr(state.log))


class Pace:
    """How likely each kind of move is, another in every walk: answers that take long, steps that are slow to plan, ...

    Faults are rare, so that there is something to break when they come.
    """

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.weights: dict[Label, float] = {}

    def pick(self, found: Sequence[Move]) -> Move | None:
        faults = [move for move in found if move.kind == "fault"]
        if faults and self.rng.random() < FAULT_RATE:
            return self.rng.choice(faults)
        others = [move for move in found if move.kind != "fault"]
        return self.rng.choices(others, [self.weight(move.label) for move in others])[0] if others else None

    def weight(self, label: Label) -> float:
        """By what is done, and by which delivery."""
        kind = (label[0], *label[-2:])
        if kind not in self.weights:
            self.weights[kind] = self.rng.choice((0.02, 0.2, 1.0, 1.0, 5.0))
        return self.weights[kind]


# --- shrinking -------------------------------------------------------------------------------------------------------


def replay(walk: Walk) -> Walk:
    """Takes the moves that are still possible, then always the first that is no fault."""
    labels = iter(walk.labels)

    def choose(found: list[Move]) -> Move | None:
        by_label = {move.label: move for move in found}
        for label in labels:
            if label in by_label:
                return by_label[label]
        return next((move for move in found if move.kind != "fault"), None)

    return run(walk, choose)


def shrink(walk: Walk) -> Walk:
    """Greedy: the first smaller walk that breaks as well is taken, until there is none."""
    tries = 0
    candidates = smaller_walks(walk)
    while (smaller := next(candidates, None)) is not None and tries < MOST_TRIES:
        tries += 1
        again = replay(smaller)
        if again.problem and not again.problem.startswith("no end") and size_of(again) < size_of(walk):
            walk, candidates = again, smaller_walks(again)
    return walk


def size_of(walk: Walk) -> tuple[int, int, int]:
    return len(walk.case.flow), len(walk.labels), sum(walk.faults)


def smaller_walks(walk: Walk) -> Iterator[Walk]:
    flow, labels = walk.case.flow, walk.labels
    needed = {name for node in flow for name in node.after}
    for node in flow:
        if node.name not in needed and len(flow) > 1:
            without = tuple(other for other in flow if other is not node)
            yield replace(walk, case=walk.case._replace(flow=without))
    size = len(labels)
    while size > 0:
        for first in range(0, len(labels), size):
            yield replace(walk, labels=labels[:first] + labels[first + size :])
        size //= 2
    for name, count in walk.faults._asdict().items():
        if count:
            yield replace(walk, faults=walk.faults.use(name))
