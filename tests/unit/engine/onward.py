"""Places in generated trees at which the run continues as new."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol
from zlib import crc32

from smithers import Child, Context, ContinueAsNew

Grown = Callable[[Context[Any]], Child]


class Growing(Protocol):
    ids: int
    within: int
    onward: int


def going_on(grower: Growing, inner: list[Grown], known: tuple[str, ...], model: Any) -> list[Grown]:
    """Now and then the run continues as new somewhere in a group, or only if an output, read as `model`, says so."""
    chance = crc32(f"{grower.ids} onward {len(inner)}".encode())
    if grower.within or chance % 3:
        return inner
    grower.onward += 1
    id, at = f"onward{grower.onward}", chance // 3 % (len(inner) + 1)
    read = known[chance // 10 % len(known)] if known and chance // 100 % 3 else ""

    def make(ctx: Context[Any]) -> Child:
        def part() -> Child:
            found = ctx.output_maybe(model, read)
            return ContinueAsNew({"n": found.n}, id=id) if found is not None and found.n % 2 else None

        return part if read else ContinueAsNew(id=id)

    return [*inner[:at], make, *inner[at:]]
