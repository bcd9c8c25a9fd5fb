"""Breadth first through every state, then backwards from the final ones."""

from __future__ import annotations

import time
from array import array
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from tests.model.invariants import broken, final
from tests.model.protocol import moves, take
from tests.model.records import Case, Label, Rules, State

SWEEPER = frozenset({"sweep", "unclaimed", "look again"})
STUCK = "stuck: from here no path without further faults leads to the end"


@dataclass(slots=True)
class Result:
    states: int = 0
    transitions: int = 0
    finals: int = 0
    seconds: float = 0.0
    complete: bool = True
    problem: str = ""
    trace: list[Label] = field(default_factory=list[Label])
    log: str = ""

    def __str__(self) -> str:
        counts = f"{self.states:,} states, {self.transitions:,} transitions, {self.finals:,} final"
        lines = [f"{counts}, {self.seconds:.1f} s" + ("" if self.complete else ", stopped at the limit")]
        if self.problem:
            trace = (" ".join(map(str, label)) for label in self.trace)
            lines += [self.problem, *(f"    {label}" for label in trace), f"    log: {self.log}"]
        return "\n".join(lines)


class Explorer:
    """All states that a case can reach, by number in the order they were found."""

    def __init__(self, case: Case, first: State, relies_on: AbstractSet[str], limit: int) -> None:
        self.case = case
        self.counted = {"", *relies_on}
        self.limit = limit
        self.states = [first]
        self.numbers = {first: 0}
        self.parents = array("l", [-1])
        self.edges_from = array("l")
        self.edges_to = array("l")
        """Of moves that happen in the end: no faults, and of the sweeper only what may be relied on."""
        self.result = Result()

    def run(self) -> Result:
        begun = time.process_time()
        here = 0
        while here < len(self.states) and not self.result.problem:
            if len(self.states) > self.limit:
                self.result.complete = False
                break
            self.expand(here)
            here += 1
        if not self.result.problem and self.result.complete:
            self.check_liveness()
        self.result.states = len(self.states)
        self.result.seconds = time.process_time() - begun
        return self.result

    def expand(self, here: int) -> None:
        before = self.states[here]
        for move in moves(self.case, before):
            after = take(self.case, move)
            self.result.transitions += 1
            there = self.number(after, here)
            if move.kind in self.counted:
                self.edges_from.append(here)
                self.edges_to.append(there)
            problem = broken(before, after)
            if problem:
                self.report(problem, [*self.trace(here), move.label], after)
                return

    def number(self, state: State, parent: int) -> int:
        found = self.numbers.get(state)
        if found is None:
            found = self.numbers[state] = len(self.states)
            self.states.append(state)
            self.parents.append(parent)
        return found

    def check_liveness(self) -> None:
        """From every state the end is in reach without further faults.

        The graph is finite, so this says the same as: without faults, each strongly connected component that cannot be
        left holds a final state; and under a fair schedule it is then reached.
        """
        before: list[list[int]] = [[] for _ in self.states]
        for here, there in zip(self.edges_from, self.edges_to, strict=True):
            before[there].append(here)
        todo = [number for number, state in enumerate(self.states) if final(state)]
        self.result.finals = len(todo)
        reached = bytearray(len(self.states))
        for number in todo:
            reached[number] = 1
        while todo:
            for number in before[todo.pop()]:
                if not reached[number]:
                    reached[number] = 1
                    todo.append(number)
        stuck = reached.find(0)
        if stuck >= 0:
            self.report(STUCK, self.trace(stuck), self.states[stuck])

    def report(self, problem: str, trace: list[Label], last: State) -> None:
        self.result.problem, self.result.trace, self.result.log = problem, trace, repr(last.log)

    def trace(self, here: int) -> list[Label]:
        labels: list[Label] = []
        while self.parents[here] >= 0:
            parent, target = self.parents[here], self.states[here]
            found = (m.label for m in moves(self.case, self.states[parent]) if take(self.case, m) == target)
            labels.append(next(found))
            here = parent
        return labels[::-1]


def explore(case: Case, first: State, relies_on: AbstractSet[str] = SWEEPER, limit: int = 3_000_000) -> Result:
    """Safety is judged with everything that may happen; the end must be in reach with `relies_on` alone."""
    return Explorer(case, first, relies_on, limit).run()


def follow(case: Case, state: State, labels: Iterable[str]) -> State:
    """Takes the named moves, as a trace prints them; raises KeyError where one is not possible."""
    for label in labels:
        found = {" ".join(map(str, move.label)): move for move in moves(case, state)}
        state = take(case, found[label])
    return state


def without(*rules: str) -> Rules:
    return Rules()._replace(**dict.fromkeys(rules, False))
