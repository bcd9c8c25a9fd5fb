"""Renders parts again, whose function has read something that changed, and lets them go on from where they were.

What renders again has to be looked at as after a cold start: what people have answered to its leaves first, since
whoever reads that renders again in turn; then failures; and only then does anything in it go on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from smithers.engine.failing import recall_failures
from smithers.engine.judge import judge
from smithers.engine.mounts import ACTIVE, DONE, FAILED, IDLE, Group, Mount, PartGroup
from smithers.engine.people import give_missing

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
    if part.status != DONE:
        return part.aside
    nodes = advance.tree.state.nodes
    verdicts = (judge(leaf.element, nodes.get(leaf.key)) for leaf in part.leaves())
    return any(verdict not in ("finished", "skipped") for verdict in verdicts)


def reopen(advance: Advance, part: PartGroup) -> None:
    """A part that was over renders something again. Unless that is over as well, everything is looked at anew."""
    nodes = advance.tree.state.nodes
    part.status = DONE
    verdicts = {leaf: judge(leaf.element, nodes.get(leaf.key)) for leaf in part.leaves()}
    if all(verdict in ("finished", "skipped") for verdict in verdicts.values()):
        for mount in walk(part):
            mount.status = DONE
        for leaf, verdict in verdicts.items():  # what came while it was not in the tree
            if verdict == "skipped":
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
    advance.take_answers(list(tree.leaves.values()))
    render_dirty(advance)


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
