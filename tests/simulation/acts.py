"""What people do to a run while it goes on, through the code that the commands use."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from random import Random
from typing import TYPE_CHECKING, Final

from smithers.cli.amending import amendment_of, is_stored
from smithers.cli.retrying import retry
from smithers.engine.answer import Answer as Said
from smithers.engine.answer import mode_of
from smithers.engine.entry import EndedRun, Fact, Json, OpenRun
from smithers.engine.frame import NodeRow
from smithers.errors import AnswerRefused, RenderError, WrongState
from smithers.store.deciding import decide, delegate, withdraw
from smithers.store.interface import Store
from smithers.store.records import Append

if TYPE_CHECKING:
    from tests.simulation.world import World

OVER: Final = ("finished", "failed", "skipped", "cancelled")
PEOPLE: Final = ("ann", "bob", "eve", "zoe")
OPS: Final = frozenset({"ops"})


def failure(ms: int = 1, *, retryable: bool) -> Json:
    """How a task says that it has failed."""
    error = {"code": "TASK_FAILED", "message": "x", "retryable": retryable, "data": {}}
    return {"outcome": "failed", "error": error, "ms": ms}


def answer(store: Store, row: NodeRow, dice: Random) -> str:
    """One of several people answers, hands the question on, or takes a vote back. Says what was tried."""
    by, how = dice.choice(PEOPLE), dice.random()
    with suppress(AnswerRefused):
        if how < 0.1:
            to = dice.choice(PEOPLE)
            delegate(store, "r", row, Said(True, by, scopes=OPS), to)
            return f"{by} hands it to {to}"
        if how < 0.5 and (row.detail or {}).get("quorum"):
            withdraw(store, "r", row, Said(True, by, scopes=OPS))
            return f"{by} withdraws"
        said = fitting(row, by, dice)
        decide(store, "r", row, said)
        return f"answered: {said}"
    return f"{by} is refused"


def fitting(row: NodeRow, by: str, dice: Random) -> Said:
    """What fits the question mostly, sometimes what does not, and now and then no."""
    if dice.random() < 0.3:
        return Said(False, by, scopes=OPS)
    match mode_of(row.detail):
        case "human":
            return Said(True, by, scopes=OPS, value={"n": dice.choice([2, 2, 3, "no number"])})
        case "select":
            return Said(True, by, scopes=OPS, choice=dice.choice("ab"))
        case "rank":
            return Said(True, by, scopes=OPS, ranking=("b", "a"))
        case _:
            return Said(True, by, scopes=OPS)


def meddling(world: World) -> list[tuple[float, Callable[[], None]]]:
    """What somebody may do with an open run, besides pausing and cancelling it."""
    often = world.faults.meddle
    return [
        (often, lambda: amend(world)),
        (often, lambda: run_again(world)),
        (often, lambda: follow(world)),
    ]


def amend(world: World) -> None:
    store, run = world.machine.store, world.record
    entries, given = store.entries("r"), {"n": len(world.story)}
    workflow = world.machine.editions[run.digest]
    with suppress(RenderError):
        amendment = amendment_of(workflow, run, entries, given)
        if is_stored(store, run, entries, amendment, ("x", None)):
            world.told("amends", f"the input is {given}")


def run_again(world: World) -> None:
    """A node that is over, with what came after it or without."""
    store, dice = world.machine.store, world.dice
    over = [row for row in store.nodes("r") if row.state in OVER]
    if not over:
        return
    row, was = dice.choice(over), world.record
    with suppress(WrongState):
        retry(store, was, row, "x", dependents=dice.random() < 0.8)
        world.told("retries", f"{row.node}:{row.iteration} is to run again")
        world.turned(was.epoch)


def resume(world: World) -> None:
    was = world.record
    fact = Fact("resumed", f"resumed:{was.epoch + 1}", {"by": "x"}, EndedRun(("failed",)))
    if world.machine.store.append(Append("r", (fact,))).outcomes == ("stored",):
        world.told("resumes", "the run is resumed")
        world.turned(was.epoch)


def follow(world: World) -> None:
    """The run goes on with other code, and so do the runs that it has started."""
    store, digest = world.machine.store, world.dice.choice(list(world.machine.editions))
    for run in [world.record, *store.children("r")]:
        data = {"digest": digest, "source": "flow.py", "from": run.digest, "by": "x"}
        if run.digest != digest:
            key = f"follow:{run.head}:{digest[:12]}"
            store.append(Append(run.run_id, (Fact("follow", key, data, OpenRun()),)))
    world.told("code edits", f"the run follows {digest[:4]}")
    world.ring_mostly()
