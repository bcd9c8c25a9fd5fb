"""Where in which loops something stands: it names iterations and says what a read without one means."""

from __future__ import annotations

from dataclasses import dataclass, replace

from smithers.engine.entry import node_key
from smithers.engine.state import Path, State


@dataclass(frozen=True, slots=True)
class Scope:
    """The loops around a place, outermost first, with the pass that each is in."""

    loops: tuple[str, ...] = ()
    path: Path = ()
    prefix: str = ""
    """Of the ids of all nodes here: those of the inline subflows around it, each with a dot."""
    owner: str = ""
    """Key of the innermost of these subflows."""
    depth: int = 0
    """How many there are."""

    def inside(self, loop: str, turn: int) -> Scope:
        return replace(self, loops=(*self.loops, loop), path=(*self.path, turn))

    def below(self, id: str) -> Scope:
        """The scope of an inline subflow's tree; `id` is the subflow's, with its own prefix."""
        return replace(self, prefix=f"{id}.", owner=node_key(id, self.iteration), depth=self.depth + 1)

    @property
    def iteration(self) -> str:
        return ".".join(map(str, self.path))

    @property
    def home(self) -> str:
        return "/".join(self.loops)


OUTSIDE = Scope()


def resolve(state: State, home: str, node: str, scope: Scope) -> str | None:
    """The iteration that a read of `node` from `scope` means, or None where there is none yet.

    In the loops that reader and node share it is the pass the reader is in; in loops that only the node is in, the
    latest pass with an output.
    """
    loops = tuple(home.split("/")) if home else ()
    shared = 0
    while shared < min(len(loops), len(scope.loops)) and loops[shared] == scope.loops[shared]:
        shared += 1
    prefix = scope.path[:shared]
    if shared == len(loops):
        return ".".join(map(str, prefix))
    latest = state.finished.get((node, prefix))
    return None if latest is None else ".".join(map(str, latest))
