"""What a block does next: from the stage it is in and how that stage stands, to the record of the next one.

A block (`TryCatchFinally`, `Saga`, ...) shows one *stage* of its content at a time, as a loop shows one pass. The plan
that moves it on writes a record into its frame, and that record is all that is remembered: a cold start mounts the
stage it names. So a failure that was caught once is caught for ever, whatever renders differently later. The functions
here are the rules, one for each kind of block; they look at facts (`Standing`) and touch nothing.

A record is JSON: `stage`, its name, empty once the block is over; `error`, the failure that is on its way; `stopped`,
if the block was ended from outside (a group around it fails, the run is cancelled); `steps`, ids of a saga's steps to
be undone; `closing`, if what is still at work in the stage is being cancelled; `late`, if that is for want of time;
`warned`, if it goes on without (`late` otherwise); `left`, keys of nodes whose output will never come; `last`, in a
subflow, the key of the last task that had an output; `round`, see below; `end`: done, failed or stopped.

**Resuming.** A failed run goes on from what failed, and no output is made twice. A block whose cleanup has run already
cannot go back and run the same cleanup nodes again, so it goes into its next *round*: stages that come after the one it
returns to are mounted as a pass of their own, with iterations of their own. `back` in the last record says where a
resume returns to.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from smithers.engine.entry import Json
from smithers.engine.mounts import DONE, FAILED
from smithers.flow.deadline import Deadline, Race
from smithers.flow.element import Node
from smithers.flow.guard import Caught, Guard, Saga, TryCatchFinally

Stage = tuple[Node, ...] | Callable[[], Any]
FIRST: Final = "body"
STOPPED: Final[Json] = {"code": "STOPPED", "message": "the block was stopped before its end"}
CARRIED: Final = ("error", "stopped", "steps", "closing", "late", "left", "round", "last")


@dataclass(frozen=True, slots=True)
class Standing:
    """How the stage of a block stands."""

    status: str
    """Of the stage as a whole."""
    quiet: bool
    """Nothing below is in flight, and no block below still has to clean up."""
    halted: bool
    """Something around the block fails or is cancelled: nothing begins below any more."""
    error: Json
    """Why the stage failed, if it has."""
    children: tuple[str, ...] = ()
    """Status of each child of the stage; of a deadline, the group and its timer."""
    won: bool = False
    """Whether a child of a race is done and has done something."""
    completed: tuple[str, ...] = ()
    """Ids of the steps that are done, in order, if they are a saga's."""


def first_record() -> Json:
    return {"stage": FIRST}


def next_record(guard: Guard, record: Json, now: Standing) -> Json | None:
    """The record that follows, or None while the block stays as it is."""
    if record.get("closing"):
        return after_closing(guard, record) if now.quiet else None
    if is_shielded(record):
        return after_cleanup(guard, record, now)
    if now.halted:
        return stop(guard, record, now) if now.quiet and cleans_up(guard) else None
    if isinstance(guard, Deadline):
        return after_deadline(guard, record, now)
    if isinstance(guard, Race) and now.won:
        return {**record, "closing": True}
    if now.status not in (DONE, FAILED):
        return None
    match guard:
        case TryCatchFinally():
            return after_try(guard, record, now)
        case Saga():
            return after_steps(guard, record, now)
        case Race():
            return end(guard, {**record, "error": now.error})
        case _:
            raise AssertionError(guard)


def is_shielded(record: Json) -> bool:
    """Whether the stage runs even though something around it has failed or was cancelled."""
    return record["stage"] in ("finally", "undo")


def cleans_up(guard: Guard) -> bool:
    """Whether the block has something to do when it is stopped from outside."""
    match guard:
        case TryCatchFinally():
            return bool(guard.cleanup)
        case Saga():
            return guard.on_failure != "fail" and any(step.undo for step in guard.all_steps)
        case _:
            return False


def holds(guard: Guard, record: Json | None) -> bool:
    """Whether groups around it have to wait for the block, though they fail."""
    return record is not None and "end" not in record and cleans_up(guard)


def stop(guard: Guard, record: Json, now: Standing) -> Json:
    stopped = {**record, "stopped": True, "error": record.get("error") or STOPPED}
    return clean_up(guard, stopped, now)


def clean_up(guard: Guard, record: Json, now: Standing) -> Json:
    """The cleanup, or the end where there is none."""
    if isinstance(guard, Saga):
        undone = {step.id for step in guard.all_steps if step.undo}
        steps = [id for id in now.completed if id in undone]
        return step_to("undo", {**record, "steps": steps}) if steps else end(guard, record)
    return step_to("finally", record) if isinstance(guard, TryCatchFinally) and guard.cleanup else end(guard, record)


def after_try(guard: TryCatchFinally, record: Json, now: Standing) -> Json:
    if now.status == DONE:
        return clean_up(guard, {**record, "error": None}, now)
    if record["stage"] == FIRST and guard.is_for(now.error["code"]):
        return step_to("catch", {**record, "error": now.error})
    return clean_up(guard, {**record, "error": now.error}, now)


def after_steps(guard: Saga, record: Json, now: Standing) -> Json:
    if now.status == DONE:
        return end(guard, {**record, "error": None})
    failed = {**record, "error": now.error}
    return end(guard, failed) if guard.on_failure == "fail" else clean_up(guard, failed, now)


def after_deadline(guard: Deadline, record: Json, now: Standing) -> Json | None:
    """A group that ends in the very moment in which its time is over has made it."""
    group, timer = now.children
    if group in (DONE, FAILED):
        return end(guard, {**record, "error": now.error})
    if timer != DONE or record.get("warned"):
        return None
    return {**record, "warned": guard.late} if guard.on_late == "warn" else {**record, "closing": True, "late": True}


def after_closing(guard: Guard, record: Json) -> Json:
    if not isinstance(guard, Deadline) or guard.on_late != "fail":
        return end(guard, record)
    return end(guard, {**record, "error": guard.late})


def after_cleanup(guard: Guard, record: Json, now: Standing) -> Json | None:
    if now.status == FAILED:
        return {**record, "stage": "", "end": "failed", "error": cleanup_failed(record, now.error), "back": record}
    return end(guard, record) if now.status == DONE else None


def cleanup_failed(record: Json, error: Json) -> Json:
    """The cleanup's own failure is what counts, and it says what it was to clean up after."""
    before = record.get("error")
    if not before:
        return error
    what = "a compensation" if record["stage"] == "undo" else "`finally`"
    return {**error, "message": f"{error['message']} (in {what}, after: {before['message']})"}


def step_to(stage: str, record: Json) -> Json:
    return {"stage": stage, **carried(record)}


def carried(record: Json) -> Json:
    return {name: record[name] for name in CARRIED if record.get(name)}


def end(guard: Guard, record: Json) -> Json:
    """The last record. A resume returns to the first stage, in the next round if others have been entered since."""
    error = record.get("error")
    forgiven = isinstance(guard, Saga) and guard.on_failure == "compensate"
    how = "stopped" if record.get("stopped") else "failed" if error and not forgiven else "done"
    last: Json = {"stage": "", "end": how, **carried(record)}
    if how == "done":
        return last
    again = record.get("round", 0) + (record["stage"] != FIRST or "late" in record or "warned" in record)
    return {**last, "back": {"stage": FIRST, **({"round": again} if again else {})}}


def caught(record: Json) -> Caught:
    error = record.get("error") or STOPPED
    return Caught(error["code"], error["message"], error.get("node", ""), error.get("iteration", ""))
