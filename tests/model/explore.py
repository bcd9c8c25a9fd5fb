"""Breadth first through every state, then backwards from the final ones."""

from __future__ import annotations

import sys
import time
from array import array
from dataclasses import dataclass, field

from . import protocol
from .records import Case, Faults, State

Label = tuple[str | int, ...]


@dataclass(slots=True)
class Result:
    states: int = 0
    transitions: int = 0
    seconds: float = 0.0
    finals: int = 0
    complete: bool = True
    problem: str = ""
    trace: list[Label] = field(default_factory=list[Label])
    last: State | None = None


class Explorer:
    def __init__(self, case: Case, faults: Faults, limit: int = 2_000_000) -> None:
        self.case = case
        self.limit = limit
        first = protocol.begin(case, faults)
        self.states: list[State] = [first]
        self.ids: dict[State, int] = {first: 0}
        self.parents = array("i", [-1])
        self.back_to = array("i")
        self.back_from = array("i")
        self.result = Result()

    def run(self) -> Result:
        begun = time.process_time()
        here = 0
        while here < len(self.states) and not self.result.problem:
            if len(self.states) > self.limit:
                self.result.complete = False
                break
            self._expand(here)
            here += 1
        if not self.result.problem and self.result.complete:
            self._check_liveness()
        self.result.states = len(self.states)
        self.result.seconds = time.process_time() - begun
        return self.result

    def _expand(self, here: int) -> None:
        state = self.states[here]
        for move in protocol.moves(self.case, state):
            self.result.transitions += 1
            there = self.ids.get(move.after)
            if there is None:
                there = len(self.states)
                self.ids[move.after] = there
                self.states.append(move.after)
                self.parents.append(here)
            if not move.fault:
                self.back_to.append(there)
                self.back_from.append(here)
            problem = protocol.broken(self.case, state, move.after)
            if problem:
                self._report(problem, here, move.label, move.after)
                return

    def _check_liveness(self) -> None:
        """Every state must have a path to a final one that uses no fault."""
        before: list[list[int]] = [[] for _ in self.states]
        for there, here in zip(self.back_to, self.back_from, strict=True):
            before[there].append(here)
        todo = [i for i, state in enumerate(self.states) if protocol.final(state)]
        self.result.finals = len(todo)
        good = bytearray(len(self.states))
        for i in todo:
            good[i] = 1
        while todo:
            for i in before[todo.pop()]:
                if not good[i]:
                    good[i] = 1
                    todo.append(i)
        stuck = good.find(0)
        if stuck >= 0:
            self._report("stuck: no path without faults leads to the end", stuck, None, self.states[stuck])

    def _report(self, problem: str, here: int, label: Label | None, last: State) -> None:
        self.result.problem = problem
        self.result.trace = self.trace(here) + ([label] if label else [])
        self.result.last = last

    def trace(self, here: int) -> list[Label]:
        labels: list[Label] = []
        while self.parents[here] >= 0:
            parent = self.parents[here]
            target = self.states[here]
            labels.append(next(m.label for m in protocol.moves(self.case, self.states[parent]) if m.after == target))
            here = parent
        return labels[::-1]


def show(result: Result) -> str:
    lines = [
        f"{result.states} states, {result.transitions} transitions, {result.finals} final, {result.seconds:.1f} s"
        + ("" if result.complete else " (stopped at the limit)")
    ]
    if result.problem:
        lines.append(result.problem)
        lines += ["  " + " ".join(map(str, label)) for label in result.trace[:60]]
        if result.last is not None:
            lines.append(f"  {result.last.log}")
    return "\n".join(lines)


def explore(case: Case, faults: Faults, limit: int = 2_000_000) -> Result:
    return Explorer(case, faults, limit).run()


if __name__ == "__main__":
    sys.exit("see tests/model/scenarios.py")
