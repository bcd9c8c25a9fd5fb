"""Moves blocks on (`TryCatchFinally`, `Saga`, ...): finds out how their stage stands, and enters the next one.

The rules are in `engine/stages.py`; here is what they are asked about, and what their answer does to the tree.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from smithers.engine.entry import Json
from smithers.engine.inline import last_output
from smithers.engine.judge import OVER, judge
from smithers.engine.mounts import ACTIVE, DONE, FAILED, FINAL, Group, GuardGroup, Leaf, LoopGroup, Mount, PartGroup
from smithers.engine.stages import Standing, first_record, is_shielded, next_record
from smithers.engine.state import State
from smithers.engine.tree import hold
from smithers.flow.deadline import Deadline
from smithers.flow.guard import Saga

if TYPE_CHECKING:
    from smithers.engine.advance import Advance


def start_block(advance: Advance, group: GuardGroup) -> None:
    """Does what the log says of a block whose turn it is."""
    record = advance.tree.state.stages.get(group.key)
    if group.guard.skip_if:
        advance.finish(group, DONE)
    elif record is None:
        advance.defer(group)
    elif "end" in record:
        finish_block(advance, group, record)
    else:
        advance.activate(group.children[0])
        advance.go_on(group)


def go_on_block(advance: Advance, group: GuardGroup) -> None:
    """Notes that the block has something to decide. It decides when nothing else moves any more."""
    record = advance.tree.state.stages.get(group.key)
    if record is None or next_record(group.guard, record, standing(advance.tree.state, group)) is not None:
        advance.defer(group)


def decide_block(advance: Advance, group: GuardGroup) -> None:
    """Enters the next stage, or ends the block."""
    state = advance.tree.state
    record = state.stages.get(group.key)
    if record is None:
        if not group.is_halted:
            enter_stage(advance, group, first_record())
        return
    now = standing(state, group)
    following = next_record(group.guard, record, now)
    if following is None:
        return
    if following["stage"] != record["stage"]:
        if now.status == FAILED or "closing" in record:
            following["left"] = sorted({*following.get("left", ()), *left_behind(state, group, record)})
        note_ended(advance, group)
    if (group.scope.prefix or state.parent) and not is_shielded(record):
        following = {**following, **with_output(state, group, following)}
    enter_stage(advance, group, following)


def with_output(state: State, group: GuardGroup, following: Json) -> Json:
    """The node that a subflow's output may come from: what is below is about to leave the tree."""
    found = last_output(state, group)
    return {"last": found} if found and found not in following.get("left", ()) else {}


def enter_stage(advance: Advance, group: GuardGroup, record: Json) -> None:
    advance.changes.stages[group.key] = advance.tree.state.stages[group.key] = record
    before = group.holding
    advance.tree.enter_stage(group, record)
    if before and not group.holding:
        advance.release(group)
    if "end" in record:
        if record["end"] == "done":
            advance.never_come(record.get("left", ()))
        finish_block(advance, group, record)
        return
    if "closing" in record:
        advance.halt(stage_of(group))
    advance.activate(group.children[0])
    advance.queue(group)


def note_ended(advance: Advance, group: GuardGroup) -> None:
    """Keeps what people are to be told of the nodes that leave the tree with their stage.

    The log is asked, not a leaf's status: where something halts, that says how far planning came.
    """
    final, nodes = advance.changes.final, advance.tree.state.nodes
    for leaf in group.leaves():
        memory = nodes.get(leaf.key)
        if leaf.key in final or (memory is not None and judge(leaf.element, memory) in OVER):
            advance.changes.gone[leaf.key] = leaf


def finish_block(advance: Advance, group: GuardGroup, record: Json) -> None:
    hold(group, False)
    if record["end"] == "failed":
        group.error = record["error"]
    advance.finish(group, FAILED if record["end"] == "failed" else DONE)


def standing(state: State, group: GuardGroup) -> Standing:
    stage = stage_of(group)
    statuses = tuple(child.status for child in stage.children)
    return Standing(
        stage.status,
        stage.is_quiet,
        group.is_halted,
        failure_of(stage) if FAILED in (stage.status, *statuses) else {},
        statuses,
        won=any(child.status == DONE and has_done(state, child) for child in stage.children),
        completed=steps_done(state, group, stage) if isinstance(group.guard, Saga) else (),
    )


def stage_of(group: GuardGroup) -> Group:
    stage = group.children[0]
    assert isinstance(stage, Group)
    return stage


def has_done(state: State, mount: Mount) -> bool:
    """Whether a mount that is done has not just been skipped."""
    return not isinstance(mount, Leaf) or judge(mount.element, state.nodes.get(mount.key)) == "finished"


def failure_of(group: Group) -> Json:
    """The first failure below in tree order, with the node's id and iteration."""
    leaf, error = first_error(group)
    where = {} if leaf is None else {"node": leaf.element.id, "iteration": leaf.scope.iteration}
    return {**error, **where}


def steps_done(state: State, group: GuardGroup, stage: Group) -> tuple[str, ...]:
    """Ids of the steps that have done something and are over.

    What a step is made of is asked, not its status: below a group that fails, a status says where planning stopped.
    """
    if stage.shielded or not isinstance(group.guard, Saga):
        return ()
    steps = zip(group.guard.all_steps, stage.children, strict=False)
    return tuple(step.id for step, mount in steps if isinstance(mount, Group) and is_done(state, mount))


def is_done(state: State, step: Group) -> bool:
    did_something = False
    for mount in step.below():
        if isinstance(mount, Leaf):
            verdict = judge(mount.element, state.nodes.get(mount.key))
            tolerated = verdict == "failed" and getattr(mount.element, "continue_on_fail", False)
            if verdict not in ("finished", "skipped") and not tolerated and not mount.element.skip_if:
                return False
            did_something = did_something or verdict == "finished"
        elif isinstance(mount, LoopGroup | GuardGroup):
            did_something = did_something or isinstance(mount, GuardGroup)
            if mount.status not in FINAL:
                return False
        elif isinstance(mount, PartGroup) and mount.suspended is not None:
            return False
    return did_something


def left_behind(state: State, group: GuardGroup, record: Json) -> Iterator[str]:
    """Keys of nodes below whose output will not come, once the stage is left; those of blocks that are over too.

    Of a group whose time was over and that counts as skipped, these are all.
    """
    guard = group.guard
    every = "late" in record and isinstance(guard, Deadline) and guard.on_late == "skip"
    for mount in group.below():
        if isinstance(mount, Leaf):
            memory = state.nodes.get(mount.key)
            if memory is not None and (every or not memory.has_output):
                yield mount.key
        elif isinstance(mount, GuardGroup):
            yield from state.stages.get(mount.key, {}).get("left", ())


def first_error(group: Group) -> tuple[Leaf | None, Json]:
    """The first failure in tree order, for the run's error."""
    stack: list[Mount] = [group]
    lost: Json | None = None
    while stack:
        mount = stack.pop()
        if isinstance(mount, Leaf) and mount.status == FAILED:
            return mount, mount.error or {}
        if isinstance(mount, Group):
            if mount.error and mount.status == FAILED:
                return None, mount.error
            lost = lost or mount.lost
            stack.extend(reversed(mount.children))
    return None, lost or {"code": "RUN_FAILED", "message": "the workflow failed"}


def blocks_below(group: Group) -> Iterator[GuardGroup]:
    """Blocks that have begun and that a halt of this group stops."""
    for mount in group.below(shielded=False):
        if isinstance(mount, GuardGroup) and mount.status == ACTIVE:
            yield mount
