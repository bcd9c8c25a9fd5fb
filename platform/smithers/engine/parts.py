"""Renders parts again, whose function has read something that changed, and lets them go on from where they were.

What renders again has to be looked at as after a cold start: what people have answered to its leaves first, since
whoever reads that renders again in turn; then failures; and only then does anything in it go on.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from smithers.engine.failing import recall_failures
from smithers.engine.judge import judge
from smithers.engine.mounts import ACTIVE, DONE, FAILED, IDLE, Group, GuardGroup, Leaf, LoopGroup, Mount, PartGroup
from smithers.engine.people import give_missing
from smithers.engine.state import State
from smithers.engine.tree import land

if TYPE_CHECKING:
    from smithers.engine.advance import Advance


def outermost(advance: Advance) -> PartGroup:
    return min(advance.dirty, key=lambda part: part.path())


def render_dirty(advance: Advance, *, answers: bool = True) -> None:
    """Renders what has read something that changed, before anything goes on."""
    while advance.dirty:
        part = outermost(advance)
        if render(advance, part, answers=answers):
            advance.rendered[part] = None


def render_again(advance: Advance) -> None:
    """Renders the outermost part that has to, while the tree moves, and lets it go on.

    Where nothing begins any more, the next plan renders: what this one withdraws, it has seen, whatever that lets the
    author's functions show. Otherwise it would matter whether a group has failed before a part in it reads that.
    """
    seen = len(advance.tree.fresh)
    part = outermost(advance)
    if part.is_halted or part.status == FAILED:
        del advance.dirty[part]
        advance.later[part] = None
        return
    if render(advance, part):
        recall_failures(advance, advance.tree.fresh[seen:])
        put_back(advance, part)


def render(advance: Advance, part: PartGroup, *, answers: bool = True) -> bool:
    """Returns False where the part has left the tree, or has failed."""
    del advance.dirty[part]
    if not part.attached or part.status == FAILED:
        advance.stale |= part.attached
        return False
    advance.stale |= any(group.failing and group.lost is None for group in part.ancestors())
    seen = len(advance.tree.fresh)
    advance.tree.again(part)
    land_ended(advance, advance.tree.fresh[seen:])
    if answers:
        advance.take_answers(advance.tree.fresh[seen:])
    return True


def put_back(advance: Advance, part: PartGroup) -> None:
    """Lets a part that has been rendered again go on from where it was."""
    if part.status == DONE:
        reopen(advance, part)
    elif part.aside:
        remount(advance)
    elif part.status == ACTIVE:
        part.status = IDLE
        advance.activate(part)


def goes_back(advance: Advance, part: PartGroup) -> bool:
    """Whether others have gone past the part, and it now has something to do."""
    return part.aside if part.status != DONE else not is_over(advance, part)


def is_over(advance: Advance, part: PartGroup) -> bool:
    """Whether nothing in it has anything to do or has failed: no leaf, no function that waits for what it reads, no
    loop and no block."""
    return all(has_nothing_to_do(advance.tree.state, mount) for mount in (part, *walk(part)))


def has_nothing_to_do(state: State, mount: Mount) -> bool:
    match mount:
        case Leaf():
            return judge(mount.element, state.nodes.get(mount.key)) in ("finished", "skipped")
        case PartGroup():
            return mount.suspended is None
        case LoopGroup():
            how = state.ended_loops.get(mount.key)
            return mount.loop.skip_if or how == "until" or (how == "max" and mount.loop.on_max_reached != "fail")
        case GuardGroup():
            return mount.guard.skip_if or state.stages.get(mount.key, {}).get("end") == "done"
        case _:
            return True


def reopen(advance: Advance, part: PartGroup) -> None:
    """A part that was over renders something again. Unless that is over as well, everything is looked at anew."""
    nodes = advance.tree.state.nodes
    part.status = DONE
    if is_over(advance, part):
        for mount in walk(part):
            mount.status = DONE
        for leaf in part.leaves():  # what came while it was not in the tree
            if judge(leaf.element, nodes.get(leaf.key)) == "skipped":
                advance.never_comes(leaf.key, "skipped")
            elif give_missing(advance.tree, leaf, advance.changes.people):
                advance.changed(leaf.element.id)
        return
    remount(advance)


def remount(advance: Advance) -> None:
    """Looks at everything anew, as a cold start does."""
    put_up_anew(advance)
    recall_failures(advance, advance.tree.leaves.values())
    advance.activate(advance.tree.root)


def put_up_anew(advance: Advance) -> None:
    tree = advance.tree
    advance.stale = False
    advance.rendered.clear()
    tree.take_down(tree.root)
    advance.dirty.clear()
    advance.later.clear()
    advance.groups.clear()
    advance.hopeful.clear()
    advance.undecided.clear()
    tree.watchers.clear()
    advance.waiters.clear()
    advance.woken.clear()
    advance.waits.leaves.clear()
    tree.put_up_root()
    land_ended(advance, tree.leaves.values())
    advance.take_answers(list(tree.leaves.values()))
    render_dirty(advance)


def land_ended(advance: Advance, leaves: Iterable[Leaf]) -> None:
    """What this plan has ended is in flight no more, though the state has its command, which asks for a turn, until the
    frame is folded."""
    for leaf in leaves:
        if leaf.key in advance.changes.final:
            land(leaf)


def walk(group: Group) -> list[Mount]:
    """The mounts below a group, the group left out."""
    found: list[Mount] = []
    stack: list[Mount] = [*group.children]
    while stack:
        mount = stack.pop()
        found.append(mount)
        if isinstance(mount, Group):
            stack.extend(mount.children)
    return found
