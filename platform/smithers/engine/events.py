"""Which event goes to which wait, and which wait has lasted too long.

Events are given out in the order in which they arrived; each goes to the wait that has lasted longest of those it fits,
and among waits that began with the same frame to the first in the tree. So what a wait gets depends on the log alone.
An event that fits nobody stays for waits to come; one that has the right name but the wrong payload is noted with the
wait, and is in nobody's way. An event and the end of a wait's time race in the log: the earlier entry wins, whether or
not they are planned together.

What is decided here stands in the frame. A later planner folds that and does not decide again (`fold.resolve`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from heapq import merge
from typing import TYPE_CHECKING, Any, Final

from smithers.engine.entry import Json
from smithers.engine.fit import unfit
from smithers.engine.fold import resolve
from smithers.engine.mounts import ACTIVE, Leaf
from smithers.engine.parts import remount
from smithers.engine.state import State
from smithers.flow.event import WaitForEvent

if TYPE_CHECKING:
    from smithers.engine.advance import Advance

NEVER: Final = 2**62
"""A position behind every log's end, and the number of a frame behind all others."""
Ranked = tuple[int, Leaf]


@dataclass(slots=True, eq=False)
class Waits:
    """The leaves that wait for an event."""

    leaves: dict[str, Leaf] = field(default_factory=dict[str, Leaf])
    """By key. One that was taken down, or waits no longer, is dropped at the next look."""
    due: bool = True
    """Whether an event, a deadline or a wait has come since the last look."""
    checked: dict[tuple[int, type], str] = field(default_factory=dict[tuple[int, type], str])
    """Whether a signal fits a model was asked before: neither changes."""

    def add(self, leaf: Leaf) -> None:
        self.leaves[leaf.key] = leaf
        self.due = True

    def ranked(self, state: State) -> list[Leaf]:
        """Who waits, longest first."""
        self.leaves = {
            key: leaf for key, leaf in self.leaves.items() if leaf.attached and leaf.waiting and leaf.status == ACTIVE
        }
        return sorted(self.leaves.values(), key=lambda leaf: (began(state, leaf), leaf.path()))

    def why_unfit(self, leaf: Leaf, seq: int, signal: Json) -> str:
        """Empty where it fits."""
        model = element_of(leaf).output
        if (seq, model) not in self.checked:
            self.checked[seq, model] = unfit(model, signal.get("payload"))
        return self.checked[seq, model]


def element_of(leaf: Leaf) -> WaitForEvent[Any]:
    assert isinstance(leaf.element, WaitForEvent)
    return leaf.element


def began(state: State, leaf: Leaf) -> int:
    memory = state.nodes.get(leaf.key)
    return memory.since if memory is not None and memory.waits is not None else NEVER


def expired(state: State, leaf: Leaf) -> int:
    memory = state.nodes.get(leaf.key)
    return (memory.expired if memory is not None else 0) or NEVER


def begin_wait(advance: Advance, leaf: Leaf, element: WaitForEvent[Any]) -> None:
    """Opens a leaf for events. Its deadline runs from the frame in which its turn comes first."""
    memory = advance.tree.state.nodes.get(leaf.key)
    known = None if memory is None else memory.waits
    leaf.waiting, leaf.order = True, leaf.path()
    advance.waits.add(leaf)
    if element.timeout is not None and known is None and advance.changes.waits.get(leaf.key) is not leaf:
        advance.changes.timers.append(leaf)
    if known != (element.event, element.correlation_id):
        advance.changes.waits[leaf.key] = leaf
    if element.async_:
        advance.step_aside(leaf)


def end_wait(advance: Advance, leaf: Leaf, how: Json) -> None:
    """Applies at once what the frame will say, as others read the payload in this same plan."""
    memory = advance.tree.state.memory(leaf.key)
    if memory.n:
        advance.changes.withdrawn[leaf.key] = leaf
    resolve(advance.tree.state, leaf.key, how)
    advance.changes.events[leaf.key], advance.changes.waited[leaf.key] = how, leaf
    leaf.waiting = False
    if how.get("timeout") == "skip":
        advance.miss(leaf, "skipped")
    elif leaf.aside and memory.error is not None:
        remount(advance)  # what has gone past it looks at it again
    else:
        if memory.has_output:
            advance.changed(leaf.element.id)
        advance.start(leaf)


def resolve_next(advance: Advance) -> bool:
    """Ends the waits that can end now. False if there are none; whoever waits then has nothing that fits."""
    waits, state = advance.waits, advance.tree.state
    if not waits.due:
        return False
    waiting = waits.ranked(state)
    first = min(waiting, key=lambda leaf: expired(state, leaf), default=None)
    until = NEVER if first is None else expired(state, first)
    taken = list(given_out(waits, waiting, state, until))
    for leaf, how in taken:
        end_wait(advance, leaf, how)
    if taken:
        return True
    if first is not None and until < NEVER:
        end_wait(advance, first, timed_out(element_of(first)))
        return True
    advance.changes.unfit = dict(unfit_ones(waits, waiting, state))
    waits.due = False
    return False


def given_out(waits: Waits, waiting: list[Leaf], state: State, until: int) -> Iterator[tuple[Leaf, Json]]:
    """Signals before `until`, each with the wait that takes it."""
    open_ones: dict[tuple[str, str | None], dict[int, Leaf]] = {}
    for rank, leaf in enumerate(waiting):
        element = element_of(leaf)
        open_ones.setdefault((element.event, element.correlation_id), {})[rank] = leaf
    for seq, name, signal in arrived(open_ones, state, until):
        correlation = signal.get("correlation")
        exact = open_ones.get((name, correlation), {}) if correlation is not None else {}
        anyone = open_ones.get((name, None), {})
        for rank, leaf in merge(exact.items(), anyone.items(), key=rank_of):
            if not waits.why_unfit(leaf, seq, signal):
                exact.pop(rank, None)
                anyone.pop(rank, None)
                yield leaf, {"signal": seq, "name": name}
                break


def rank_of(one: Ranked) -> int:
    return one[0]


def arrived(
    open_ones: dict[tuple[str, str | None], dict[int, Leaf]], state: State, until: int
) -> list[tuple[int, str, Json]]:
    """Signals that somebody may wait for, in order of arrival."""
    names = dict.fromkeys(name for name, _ in open_ones)
    found = [(seq, name, signal) for name in names for seq, signal in state.signals.get(name, {}).items()]
    return sorted((one for one in found if one[0] < until), key=lambda one: one[0])


def timed_out(element: WaitForEvent[Any]) -> Json:
    if element.on_timeout != "fail":
        return {"timeout": element.on_timeout}
    which = f" with the correlation id {element.correlation_id!r}" if element.correlation_id else ""
    message = f"no event {element.event!r}{which} came within {element.timeout}"
    return {"timeout": "fail", "error": {"code": "EVENT_TIMEOUT", "message": message, "retryable": False}}


def unfit_ones(waits: Waits, waiting: list[Leaf], state: State) -> Iterator[tuple[str, dict[str, str]]]:
    """What is new of signals that a wait matches and cannot take, by its key: position and why."""
    for leaf in waiting:
        element, memory = element_of(leaf), state.nodes.get(leaf.key)
        known = {} if memory is None else memory.unfit
        found = {
            str(seq): waits.why_unfit(leaf, seq, signal)
            for seq, signal in state.signals.get(element.event, {}).items()
            if seq not in known and element.correlation_id in (None, signal.get("correlation"))
        }
        if found:
            yield leaf.key, found
