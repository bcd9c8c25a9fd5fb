"""What people do in a scenario besides giving answers.

An act looks at the run and does the next thing if it is time, once: the log says whether it was done, also by a process
that has died since. It returns whether it did something; then nobody answers before everybody has looked again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from smithers.cli.amending import amendment_of, is_stored
from smithers.cli.pausing import pause_run, unpause_run
from smithers.cli.retrying import retry
from smithers.engine.answer import Answer
from smithers.engine.entry import EndedRun, Entry, Fact, Kind, OpenRun
from smithers.engine.frame import NodeRow
from smithers.errors import AnswerRefused
from smithers.store.deciding import decide, delegate, said, withdraw
from smithers.store.interface import Store
from smithers.store.records import Append, Run
from smithers.worker.code import LoadedCode
from smithers.worker.prepare import follow

ANN: Final = "ann"


@dataclass(frozen=True)
class Scene:
    """What people see when they look, all of it read before anybody acts."""

    store: Store
    run: Run
    rows: Sequence[NodeRow]
    log: Sequence[Entry]
    codes: Sequence[LoadedCode]
    """Its editions: one, or two."""
    shown: Path
    shut_down: Callable[[], None]
    """Shuts the worker down and starts another one."""
    terminate: Callable[[str], bool]
    """Ends a workflow from outside; returns whether it was open."""

    def has(self, key: str) -> bool:
        return any(entry.key == key for entry in self.log)

    def has_kind(self, kind: Kind) -> bool:
        return any(entry.kind == kind for entry in self.log)

    def in_state(self, state: str) -> NodeRow | None:
        return next((row for row in self.rows if row.state == state), None)

    def store_fact(self, fact: Fact) -> bool:
        """Not again and again until it is planned: how often a point is passed must not depend on times."""
        return not self.has(fact.key) and self.store.append(Append(self.run.run_id, (fact,))).outcomes == ("stored",)


def cancel(scene: Scene) -> bool:
    if scene.in_state("waiting-event") is None:
        return False
    return scene.store_fact(Fact("cancel", "cancel", {"by": ANN, "reason": None}, OpenRun()))


def resume(scene: Scene) -> bool:
    if scene.run.status != "failed":
        return False
    fact = Fact("resumed", f"resumed:{scene.run.epoch + 1}", {"by": ANN}, EndedRun(("failed",)))
    return scene.store_fact(fact)


def retry_task(scene: Scene) -> bool:
    if scene.run.status != "failed" or scene.has_kind("retried"):
        return False
    retry(scene.store, scene.run, scene.store.node(scene.run.run_id, "shaky"), ANN)
    return True


def pause(scene: Scene) -> bool:
    """An answer that is given meanwhile is kept; then the run goes on."""
    if scene.run.status == "paused" and scene.has_kind("decided"):
        unpause_run(scene.store, scene.run, ANN)
        return True
    if scene.in_state("waiting-approval") is None or scene.has_kind("paused"):
        return False
    return pause_run(scene.store, scene.run, ANN)


def amend(scene: Scene) -> bool:
    if scene.in_state("waiting-approval") is None or scene.has_kind("amended"):
        return False
    log, given = list(scene.log), {**scene.run.input, "number": 2}
    is_stored(scene.store, scene.run, log, amendment_of(scene.codes[0].workflow, scene.run, log, given), (ANN, None))
    return True


def redrive(scene: Scene) -> bool:
    if scene.in_state("waiting-approval") is None or scene.has_kind("redriven"):
        return False
    scene.store.redrive(scene.run.run_id, ANN)
    return True


def follow_edited(scene: Scene) -> bool:
    if scene.in_state("waiting-approval") is None and scene.run.status != "waiting-code":
        return False
    edited = scene.codes[1]
    if scene.run.digest == edited.digest:
        return False
    follow(scene.store, scene.run, edited, ANN)
    return True


def misfit(scene: Scene) -> bool:
    row = scene.in_state("waiting-approval")
    if row is None or scene.has_kind("rejected"):
        return False
    try:
        decide(scene.store, scene.run.run_id, row, Answer(True, ANN, value={"amount": "much"}))
    except AnswerRefused:
        return True
    raise AssertionError("an answer that does not fit was taken")


def change_minds(scene: Scene) -> bool:
    """One thing after another, once all reminders are there; whoever comes after a crash goes on from what was said."""
    row = scene.in_state("waiting-approval")
    if row is None or scene.has(row.decision_key):
        return False
    store, run, course = scene.store, scene.run.run_id, said(scene.store, scene.run.run_id, row)
    if len(course.reminders) < 2 or course.escalation is None:
        return False
    ann, bob, eve = (Answer(True, by) for by in (ANN, "bob", "eve"))
    match len(course.acts):
        case 0 | 3:
            return decide(store, run, row, ann) is not None
        case 1:
            return withdraw(store, run, row, ann) is not None
        case 2:
            return delegate(store, run, row, bob, "cid") is not None
        case _:
            return decide(store, run, row, eve) is not None


def shut_down(scene: Scene) -> bool:
    if not scene.shown.exists() or len(claims(scene)) != 1 or scene.has_kind("released"):
        return False
    scene.shut_down()
    return True


def terminate(scene: Scene) -> bool:
    if not scene.shown.exists() or len(claims(scene)) != 1 or scene.has_kind("settled"):
        return False
    return scene.terminate(f"{scene.run.run_id}:{scene.run.epoch}:{claims(scene)[0].data['n']}")


def claims(scene: Scene) -> list[Entry]:
    """Of the body that is held."""
    return [entry for entry in scene.log if entry.kind == "claim" and entry.data["node"] == "held"]


ACTS: Final[Mapping[str, Callable[[Scene], bool]]] = {
    "cancelled": cancel,
    "resumed": resume,
    "retried": retry_task,
    "paused": pause,
    "amended": amend,
    "redriven": redrive,
    "followed": follow_edited,
    "unrendered": follow_edited,
    "refused": misfit,
    "released": shut_down,
    "settled": terminate,
    "reminded": change_minds,
}
"""By scenario."""
SILENT: Final = ("reminded",)
"""Scenarios in which nobody answers besides."""
OPENED: Final = ("resumed", "retried")
"""Scenarios in which a run that has failed is opened again."""
EDITED: Final = ("followed", "unrendered")
"""Scenarios with a second edition of the code."""
