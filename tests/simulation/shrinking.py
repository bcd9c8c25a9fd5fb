"""Makes a failing story small: told again with less harm and smaller trees, as long as it fails."""

from __future__ import annotations

from dataclasses import dataclass, fields

from tests.simulation.world import Broken, Faults, tell


@dataclass(frozen=True, slots=True)
class Failure:
    seed: int
    faults: Faults
    depth: int
    message: str

    def __str__(self) -> str:
        harm = ", ".join(one.name for one in fields(self.faults) if getattr(self.faults, one.name))
        return f"tell({self.seed}, {self.faults!r}, depth={self.depth}) with {harm or 'no harm'}:\n{self.message}"


def failure(seed: int, faults: Faults | None = None, depth: int = 3) -> Failure | None:
    """What is wrong with a seed; None if nothing is."""
    faults = faults or Faults()
    try:
        tell(seed, faults, depth)
    except Broken as broken:
        return Failure(seed, faults, depth, "\n".join([str(broken), *getattr(broken, "__notes__", [])]))
    return None


def shrunk(found: Failure) -> Failure:
    """The same seed with every kind of harm switched off that it fails without, and the shallowest tree."""
    for one in fields(Faults):
        found = failure(found.seed, found.faults.without(one.name), found.depth) or found
    for depth in range(1, found.depth):
        smaller = failure(found.seed, found.faults, depth)
        if smaller is not None:
            return smaller
    return found
