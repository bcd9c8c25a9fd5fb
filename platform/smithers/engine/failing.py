"""Which groups fail, and why, as frames tell it.

What a group shows follows from what its parts read, and may change while it fails: tasks in flight end, and the very
task that has failed may be gone when a part renders again. That undoes nothing. So the frame in which a group begins to
fail says so (`State.failing`), under a name that rendering leaves as it is (`mounts.place`), and the group that is
mounted in that place fails, until the run is opened again.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from smithers.engine.blocks import failure_of
from smithers.engine.entry import Json
from smithers.engine.judge import judge, reason
from smithers.engine.mounts import FAILED, FINAL, Group, GuardGroup, Leaf, Mount, place

if TYPE_CHECKING:
    from smithers.engine.advance import Advance


def recall_failures(advance: Advance, leaves: Iterable[Leaf]) -> None:
    """Marks groups in which something has failed before anything goes on, as it was when it failed.

    A leaf that has left the tree again, as its part has rendered twice, fails nothing.
    """
    tree = advance.tree
    failed: list[Mount] = [leaf for leaf in leaves if leaf.attached and has_failed(advance, leaf)]
    for key, how in tree.state.ended_loops.items():
        loop = tree.loops.get(key)
        if loop is not None and how == "max" and loop.loop.on_max_reached == "fail":
            failed.append(loop)
    failed += [block for block in tree.failed_before if block.attached]
    tree.failed_before.clear()
    failed += still_failing(advance)
    for mount in failed:
        recall(advance, mount)


def recall(advance: Advance, failed: Mount) -> None:
    """A failed group in which nothing runs any more has itself failed, and so on outwards.

    Up to the block that decides what becomes of the failure: only what it decided is recalled further out.
    """
    for group in failed.ancestors():
        if group.tolerant or isinstance(group, GuardGroup):
            return
        if group.parallel and not group.failing:
            advance.fail_around(group)
        if group.parallel and group.failing and not group.is_quiet:
            return


def has_failed(advance: Advance, leaf: Leaf) -> bool:
    """Whether a leaf has failed for good, and nobody tolerates it."""
    memory = advance.tree.state.nodes.get(leaf.key)
    tolerated = getattr(leaf.element, "continue_on_fail", False)
    return memory is not None and not tolerated and judge(leaf.element, memory) == "failed"


def still_failing(advance: Advance) -> list[Group]:
    """Groups that earlier plans have marked, that have not failed yet, and in which nothing runs any more."""
    tree = advance.tree
    tree.failing = {group: None for group in tree.failing if group.attached}
    return [group for group in tree.failing if group.lost and group.is_quiet and group.status not in FINAL]


def note_failing(advance: Advance) -> dict[str, Json]:
    """Groups that fail or have failed since the last frame, by their place, and why: the outermost ones. How far those
    in them have come is how far planning came."""
    found: dict[str, Json] = {}
    for group in advance.tree.failing:
        if group.attached and group.lost is None and not group.is_halted:
            group.lost = found[place(group)] = why_failing(advance, group)
    return found


def why_failing(advance: Advance, group: Group) -> Json:
    """The first failure below, whether the group has failed for it yet or not."""
    for mount in group.below():
        if isinstance(mount, Leaf) and has_failed(advance, mount):
            error = reason(mount.element, advance.tree.state.nodes[mount.key])
            return {**error, "node": mount.element.id, "iteration": mount.scope.iteration}
        if isinstance(mount, Group) and mount.status == FAILED and mount.error:
            return mount.error
    return failure_of(group)
