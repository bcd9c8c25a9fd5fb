"""A run that goes on as another one (`ContinueAsNew`): when that begins, and what the other one is given.

Whether the turn of such an element has come is asked when nothing else moves any more: what begins and fails in the
same plan depends on the tree and not on the way there. Then nothing of what the plan has found to begin begins. The
frame says what is carried (`handover`), the tree is put up anew from the state, and all that has begun is ended as if
the run were cancelled: tasks are told to stop, waits are over, blocks clean up. When nothing is in flight any more the
run ends as `continued`, and the transaction that stores that frame makes the other run (`store/successors.py`). A run
that is cancelled until then is cancelled.

`continues`, in the first entry of the other run: `run`, the one before; `root`, the one that all began with;
`generation`, how many were before; `idle`, how many of them in a row have handed over at once, without any work.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from smithers.engine import fold
from smithers.engine.entry import Fact, Json
from smithers.engine.mounts import ACTIVE, Leaf
from smithers.engine.parts import put_up_anew
from smithers.engine.state import State
from smithers.errors import RenderError
from smithers.flow.continuing import ContinueAsNew
from smithers.flow.where import show

if TYPE_CHECKING:
    from smithers.engine.advance import Advance

MOST_IDLE: Final = 100
"""Runs in a row that may hand over at once: otherwise they would follow each other without end or work."""
LONGEST_ROOT: Final = 88
"""Of a run id of at most 100 letters; the rest says which generation it is."""


def reached(advance: Advance) -> Leaf | None:
    """The first leaf in the tree whose turn has come to hand the run over."""
    leaves = advance.changes.handovers.values()
    found = [leaf for leaf in leaves if leaf.attached and leaf.status == ACTIVE and not leaf.is_halted]
    return min(found, key=lambda leaf: leaf.path(), default=None)


def hand_over(advance: Advance, leaf: Leaf) -> None:
    """Looks at everything anew as a run that is left: nothing begins, and what people see of nodes is told again."""
    tree, changes, element = advance.tree, advance.changes, leaf.element
    assert isinstance(element, ContinueAsNew)
    check_work(tree.state, element)
    place: Json = {"node": element.id, "iteration": leaf.scope.iteration}
    changes.handover = {**place, "state": element.state, "bytes": element.size_bytes, "idle": idle(tree.state)}
    fold.hand_over(tree.state, changes.handover)
    for beginning in (changes.candidates, changes.admitted, changes.timers, changes.asked, changes.waits):
        beginning.clear()
    put_up_anew(advance)
    changes.leaves.update((key, one) for key, one in tree.leaves.items() if key in tree.state.nodes)


def check_work(state: State, element: ContinueAsNew) -> None:
    """Raises `RenderError` for a chain of runs that would go on without doing anything."""
    if idle(state) > MOST_IDLE:
        raise RenderError(
            f"ContinueAsNew({element.id!r}) at {show(element.where)}: {MOST_IDLE} runs in a row have continued as new "
            "at once, so this would go on without end. Do some work or wait for something "
            "before it, or give it a condition.",
            code="CONTINUES_WITHOUT_WORK",
            node=element.id,
        )


def idle(state: State) -> int:
    """How many runs in a row, this one counted, hand over in their first plan and with no output of anything."""
    has_worked = state.frames > 0 or any(memory.has_output for memory in state.nodes.values())
    return 0 if has_worked else (state.continues or {}).get("idle", 0) + 1


def link(state: State) -> Json:
    """`continues` of the run that goes on for this one."""
    assert state.handover is not None
    before = state.continues or {}
    return {
        "run": state.run_id,
        "root": before.get("root", state.run_id),
        "generation": before.get("generation", 0) + 1,
        "idle": state.handover["idle"],
    }


def kept(state: State) -> tuple[Fact, ...]:
    """What the other run's log begins with, after its first entry: what is carried, and events that nobody has taken,
    in order."""
    assert state.handover is not None
    found: list[Fact] = []
    if state.handover["state"] is not None:
        found.append(Fact("carried", "carried", {"payload": state.handover["state"]}))
    signals: dict[int, Any] = {seq: data for kept in state.signals.values() for seq, data in kept.items()}
    found += [Fact("signal", f"signal:before:{seq}", signals[seq]) for seq in sorted(signals)]
    return tuple(found)


def id_after(about: Json) -> str:
    """The id of the run with this link: the same for the same place in the chain."""
    return f"{about['root'][:LONGEST_ROOT]}.g{about['generation']}"
