"""One generated workflow as its file was edited: what a run follows while it goes on."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from smithers import Child, Context, Parallel, Sequence, Task, Workflow
from smithers.flow.workflow import AnyWorkflow
from tests.unit.engine.shifting import Shifting
from tests.unit.engine.trees import Grower, Out, work


def editions_of(seed: int, digests: tuple[str, str, str], depth: int = 3) -> dict[str, AnyWorkflow]:
    """A workflow, the same one edited, and one that does not render once something is done. Its input may be amended.

    Of three seeds one grows a sequence, one a parallel group, and one parts that show one thing or another; every
    eighth tree has most of itself within budgets.
    """
    kind, root = ((Grower, Sequence), (Grower, Parallel), (Shifting, Parallel))[seed % 3]
    grower = kind(random.Random(seed))
    grown = [grower.a_aspects(depth, ())] if seed % 8 == 7 else []
    grown += grower.several(1 if grown else depth, ())
    dice = random.Random(seed + 1)
    edited = [one for one in grown if dice.random() < 0.7]
    edited.insert(dice.randint(0, len(edited)), lambda ctx: Task("edited", output=Out)[work])

    def unsound(ctx: Context[Any]) -> Child:
        if ctx.output_maybe(Out, "task1") is not None:
            raise ValueError("does not render any more")
        return root[(one(ctx) for one in grown)]

    trees: tuple[Callable[[Context[Any]], Child], ...] = (
        lambda ctx: root[(one(ctx) for one in grown)],
        lambda ctx: root[(one(ctx) for one in edited)],
        unsound,
    )
    return {digest: Workflow("grown", tree, None) for digest, tree in zip(digests, trees, strict=True)}
