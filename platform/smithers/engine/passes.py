"""Moves loops on: enters the next pass, or ends the loop, when nothing else moves any more (`Advance.defer`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from smithers.engine.mounts import DONE, FAILED, FINAL, LoopGroup
from smithers.engine.reads import Suspended
from smithers.engine.tree import describe
from smithers.errors import RenderError
from smithers.flow.call import takes_argument
from smithers.flow.loop import Turn
from smithers.flow.where import show

if TYPE_CHECKING:
    from smithers.engine.advance import Advance

MOST_PASSES: Final = 10_000
"""Passes that one plan may enter: a loop whose passes end without any work would otherwise hang the planner."""


def start_loop(advance: Advance, group: LoopGroup) -> None:
    key = group.key
    how = advance.tree.state.ended_loops.get(key)
    if group.loop.skip_if or how == "until":
        advance.finish(group, DONE)
    elif how == "max":
        reach_max(advance, group)
    elif key in advance.tree.state.loops:
        advance.activate(group.children[0])
        advance.go_on(group)
    else:
        advance.defer(group)


def go_on_loop(advance: Advance, group: LoopGroup) -> None:
    body = group.children[0] if group.children else None
    if body is None or body.status not in FINAL:
        return
    if body.status == FAILED:
        advance.finish(group, FAILED)
    else:
        advance.defer(group)


def next_pass(advance: Advance, group: LoopGroup) -> None:
    body = group.children[0] if group.children and group.key in advance.tree.state.loops else None
    if group.is_halted or (body is not None and body.status != DONE):
        return
    if body is None:
        if until(advance, group, 0):
            end_loop(advance, group, "until")
        else:
            enter(advance, group, 0)
    elif until(advance, group, group.turn):
        end_loop(advance, group, "until")
    elif group.loop.max_iterations is not None and group.turn + 1 >= group.loop.max_iterations:
        end_loop(advance, group, "max")
    else:
        enter(advance, group, group.turn + 1)


def until(advance: Advance, group: LoopGroup, turn: int) -> bool:
    condition = group.loop.until
    if isinstance(condition, bool):
        return condition
    with advance.tree.reads.during(group.scope.inside(group.loop.id, turn), {}):
        try:
            return bool(condition(Turn(turn)) if takes_argument(condition) else condition())  # type: ignore[call-arg]
        except Suspended as wait:
            if group.turn < 0 or group.key not in advance.tree.state.loops:
                return False
            raise RenderError(
                f"Loop({group.loop.id!r}) at {show(group.loop.where)}: `until` reads {wait.missing.node!r}, "
                "which has no output after this pass: read it with ctx.output_maybe or ctx.latest."
            ) from None
        except RenderError:
            raise
        except Exception as error:
            raise RenderError(
                f"Loop({group.loop.id!r}) at {show(group.loop.where)}: `until` failed: {describe(error)}",
                cause=type(error).__name__,
            ) from error


def enter(advance: Advance, group: LoopGroup, turn: int) -> None:
    advance.changes.passes += 1
    if advance.changes.passes > MOST_PASSES:
        raise RenderError(
            f"Loop({group.loop.id!r}) at {show(group.loop.where)} goes on without any work: its passes end at once."
        )
    advance.changes.loops[group.key] = advance.tree.state.loops[group.key] = turn
    if group.turn != turn:
        advance.tree.enter(group, turn)
    advance.activate(group.children[0])
    advance.queue(group)


def end_loop(advance: Advance, group: LoopGroup, how: str) -> None:
    advance.changes.ended_loops[group.key] = advance.tree.state.ended_loops[group.key] = how
    if how == "max":
        reach_max(advance, group)
    else:
        advance.finish(group, DONE)


def reach_max(advance: Advance, group: LoopGroup) -> None:
    if group.loop.on_max_reached == "return-last":
        advance.finish(group, DONE)
        return
    group.error = {
        "code": "LOOP_MAX_REACHED",
        "message": f"loop {group.loop.id!r} has run {group.loop.max_iterations} times, but `until` does not hold",
    }
    advance.finish(group, FAILED)
