"""Generated workflows whose tree shows one thing or another as the run goes on."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from smithers import Child, Context, Parallel
from smithers.flow.workflow import AnyWorkflow, Workflow
from tests.unit.engine.trees import Grower, Out


class Shifting(Grower):
    """Grows parts that show one thing or another, side by side: what is in flight or has failed may leave the tree."""

    def grow(self, depth: int, known: tuple[str, ...]) -> Callable[[Context[Any]], Child]:
        if not depth or self.dice.random() < 0.4:
            return super().grow(depth, known)
        return getattr(self, f"a_{self.dice.choice(['shift', 'shift', 'parallel', 'sequence', 'race', 'loop'])}")(
            depth, known
        )

    def a_shift(self, depth: int, known: tuple[str, ...]) -> Callable[[Context[Any]], Child]:
        inner, read, modulus = self.several(depth, known), self.dice.choice([*known, ""]), self.dice.randint(2, 3)

        def make(ctx: Context[Any]) -> Child:
            def part() -> Child:
                found = ctx.output_maybe(Out, read) if read else None
                turn = ctx.input.get("n", 0) + (0 if found is None else 1 + found.n)
                return [one(ctx) for number, one in enumerate(inner) if (number + turn) % modulus]

            return part

        return make


def shifting_workflow(seed: int, depth: int = 3) -> AnyWorkflow:
    """One whose input may be amended."""
    inner = Shifting(random.Random(seed)).several(depth, ())
    return Workflow("shifting", lambda ctx: Parallel[(one(ctx) for one in inner)], None)
