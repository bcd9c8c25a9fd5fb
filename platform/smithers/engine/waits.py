"""Which nodes a leaf waits for: explicit dependencies, resolved through loops, checked for nonsense."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches

from smithers.engine.entry import node_key
from smithers.engine.mounts import DONE, FAILED, FINAL, Group, Leaf, Mount
from smithers.engine.scope import resolve
from smithers.engine.state import Path
from smithers.engine.tree import Tree
from smithers.errors import RenderError
from smithers.flow.task import Task
from smithers.flow.where import show


def standing(tree: Tree, leaf: Leaf, id: str) -> str:
    """ready, wait, or absent: the node is over but will never have an output."""
    home = tree.home(id)
    if home is None:
        return "wait"
    loops = home.split("/") if home else []
    shared = 0
    while shared < min(len(loops), len(leaf.scope.loops)) and loops[shared] == leaf.scope.loops[shared]:
        shared += 1
    if shared < len(loops) and not loop_is_over(tree, loops[shared], leaf, shared):
        return "wait"
    iteration = resolve(tree.state, home, id, leaf.scope)
    key = node_key(id, iteration or "")
    memory = tree.state.nodes.get(key)
    if key in tree.state.absent or (memory is not None and memory.outcome in ("skipped", "cancelled")):
        return "absent"
    target = tree.leaves.get(key)
    if target is not None and target.status == FAILED:
        return "wait"
    return "ready" if memory is not None and memory.has_output else "wait"


def loop_is_over(tree: Tree, loop: str, leaf: Leaf, depth: int) -> bool:
    """Whether no pass comes any more. A loop in which something has failed is not over, as a failed task has no
    output: what a block does about it may take the loop out of the tree or begin it again."""
    iteration = ".".join(map(str, leaf.scope.path[:depth]))
    key = node_key(loop, iteration)
    group = tree.loops.get(key)
    return key in tree.state.ended_loops or (group is not None and group.status == DONE)


def outputs_of(tree: Tree, leaf: Leaf) -> dict[str, tuple[str, str]]:
    """Parameter name -> node and iteration that produce it, for a task whose dependencies are ready."""
    found: dict[str, tuple[str, str]] = {}
    if isinstance(leaf.element, Task):
        for name in leaf.element.deps:
            id = leaf.element.needs.get(name, name)
            found[name] = (id, resolve(tree.state, tree.home(id) or "", id, leaf.scope) or "")
    return found


def check(tree: Tree, fresh: list[Leaf]) -> None:
    """Refuses dependencies of new leaves that can never hold: unknown ids, cycles, waiting for what comes later.

    An id that is unknown in the first frame, with nothing left to render, is refused at once. Later frames may bring
    or drop nodes; there a run that waits for nobody ends with `stuck`.
    """
    clear: dict[Path, set[str]] = {}
    for leaf in fresh:
        for id in leaf.element.upstream():
            if tree.state.frames == 0 and tree.home(id) is None and not any_suspended(tree):
                raise unknown(tree, leaf, id)
            check_order(tree, leaf, id)
        if leaf.element.upstream() and leads_to_cycle(tree, leaf, clear.setdefault(leaf.scope.path, set())):
            check_cycle(tree, leaf)


def any_suspended(tree: Tree) -> bool:
    return any(part.suspended for parts in tree.readers.values() for part in parts)


def unknown(tree: Tree, leaf: Leaf, id: str) -> RenderError:
    near = get_close_matches(id, tree.homes, 1)
    hint = f" Did you mean {near[0]!r}?" if near else f" Known ids: {', '.join(sorted(tree.homes)[:10])}."
    return RenderError(
        f"{name(leaf)} depends on {id!r}, but no node has that id.{hint}",
        code="UNKNOWN_DEPENDENCY",
        node=leaf.element.id,
    )


def name(leaf: Leaf) -> str:
    return f"{type(leaf.element).__name__}({leaf.element.id!r}) at {show(leaf.element.where)}"


def twin(tree: Tree, leaf: Leaf, id: str) -> Leaf | None:
    """The mounted leaf that a dependency means, in the leaf's own pass or outside of it."""
    for length in range(len(leaf.scope.path), -1, -1):
        found = tree.leaves.get(node_key(id, ".".join(map(str, leaf.scope.path[:length]))))
        if found is not None:
            return found
    return None


def check_order(tree: Tree, leaf: Leaf, id: str) -> None:
    target = twin(tree, leaf, id)
    if target is None:
        return
    mine: dict[Group, Mount] = {}
    below: Mount = leaf
    for group in leaf.ancestors():
        mine[group] = below
        below = group
    below = target
    for group in target.ancestors():
        if group in mine:
            if not group.parallel and mine[group].index < below.index:
                raise RenderError(
                    f"{name(leaf)} depends on {id!r}, which comes after it in the same sequence: a cycle, "
                    f"{leaf.element.id} -> {id} -> {leaf.element.id}. Move one of them, or put both in a Parallel.",
                    code="CYCLE",
                )
            return
        below = group


def leads_to_cycle(tree: Tree, leaf: Leaf, clear: set[str]) -> bool:
    """Whether a cycle can be reached from here. Ids in `clear` are known to lead to none, as seen from this pass; those
    that are found are added. So all leaves of a tree together cost what its dependencies are."""
    if leaf.element.id in clear:
        return False
    trail = {leaf.element.id}
    stack: list[tuple[str, Iterator[str]]] = [(leaf.element.id, iter(leaf.element.upstream()))]
    while stack:
        id = next(stack[-1][1], None)
        if id is None:
            done, _ = stack.pop()
            trail.discard(done)
            clear.add(done)
        elif id in trail:
            return True
        elif id not in clear:
            target = twin(tree, leaf, id)
            if target is None or target.status in FINAL:
                clear.add(id)
            else:
                trail.add(id)
                stack.append((id, iter(target.element.upstream())))
    return False


def check_cycle(tree: Tree, leaf: Leaf) -> None:
    """Depth-first along explicit dependencies, not past what is over. Iterative: chains may be long."""
    trail: list[str] = [leaf.element.id]
    stack: list[Iterator[str]] = [iter(leaf.element.upstream())]
    seen: set[str] = set()
    while stack:
        id = next(stack[-1], None)
        if id is None:
            stack.pop()
            trail.pop()
        elif id == leaf.element.id:
            path = " -> ".join([*trail, id])
            raise RenderError(f"{name(leaf)} waits for itself: {path}. Remove one of these dependencies.", code="CYCLE")
        elif id not in seen:
            seen.add(id)
            target = twin(tree, leaf, id)
            if target is not None and target.status not in FINAL:
                stack.append(iter(target.element.upstream()))
                trail.append(id)
