"""After a process has died: its work is handed to the living at once, instead of after Temporal's timeouts.

The idea
    Temporal learns of a death by silence. A step that was running comes back after the heartbeat timeout (5 s), and
    then the driver's next workflow task goes to the dead worker's sticky queue and waits there once more. On one
    machine we know better: the kernel says whether a process is there, and our own notes say what it had in hand. So:

        1. for each run it worked on, and its children:  ResetStickyTaskQueue (3 ms; only helps before the next event)
        2. each activity it had:       fail by its task token, to be retried in 1 ms
        3. each activity of these runs that Temporal says it had: fail by id
        4. its own queue:              take out what drivers wait there already (`sticky.py`)
        5. every other open run:       ResetStickyTaskQueue     (its driver may have been cached there, idle)

    Measured: next progress 0.4 to 0.9 s after the kill instead of 14 s. What no call can free is a workflow task that
    was in flight; it costs its timeout, 2 s.

Why by token
    `fail` by workflow and activity id works too, but is not fenced: if somebody has taken the activity over already, it
    kills a healthy attempt. A token holds the attempt; an old one is refused. Only what died between the server's
    hand-over and our note (one kill in twenty) is failed by id, and that after Temporal has said that the dead process
    has it; should another attempt have begun in the milliseconds between, its next delivery attaches to its body.

The ledger
    Each process keeps the tokens of what it runs in a file of fixed slots, `.smithers/workers/<identity>`. Taking a
    slot is one `pwrite` of some hundred bytes (2 microseconds; a file per activity costs 50). Nothing is
    synced: the page cache survives the death of a process, and after a power cut there is no server that could wait.
    A slot that is half written does not parse and counts as empty. A slot that is given back keeps its text until it is
    used again, some steps later: the step is over then, but its answer may not have reached the server.

Who takes over
    A worker at its start, and the sweeper. A lock on the dead one's ledger lets one of them do it. "Gone" is certain:
    an identity has the boot, the pid namespace and the start time; a process that cannot be seen from here is left to
    Temporal's timeouts. Doing it for a process that lives would run its bodies twice, so there is no guessing by age.

Costs
    Handing over uses up one of the activity's attempts (of 1,000). It is done once per death, never periodically.

Sources: the measurements of takeover in docs/performance.md; design rule "takeover".
"""

from __future__ import annotations

import base64
import fcntl
import json
import logging
import os
import threading
from collections import deque
from collections.abc import Collection, Generator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from mmap import mmap
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from smithers.project import Project
from smithers.store import faults
from smithers.temporal import identity, sticky
from smithers.temporal.identity import Identity
from smithers.temporal.sticky import each

if TYPE_CHECKING:
    from temporalio.api.workflowservice.v1 import DescribeWorkflowExecutionResponse
    from temporalio.client import Client

log = logging.getLogger(__name__)
SLOT_BYTES: Final = 1024
SPARE_SLOTS: Final = 16
"""So many steps later the answer to a step has reached the server, or the server is away anyway."""
SLOTS_AT_ONCE: Final = 64
NO_SLOT: Final = -1


@dataclass(frozen=True, slots=True)
class Held:
    """A step that a process had in hand."""

    run_id: str
    task_token: bytes


def ledgers(project: Project) -> Path:
    return project.state / "workers"


class Ledger:
    """What this process has in hand, where others can read it."""

    def __init__(self, project: Project) -> None:
        folder = ledgers(project)
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / str(identity.own())
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        self._size = 0
        self._map = self._longer()
        self._free: deque[int] = deque()
        """The one that was given back first is used first."""
        self._slots = 0
        self._lock = threading.Lock()

    def put(self, run_id: str, task_token: bytes) -> int:
        note = json.dumps({"run": run_id, "token": base64.b64encode(task_token).decode()}).encode()
        if len(note) >= SLOT_BYTES:
            return NO_SLOT  # a very long run id: left to the heartbeat timeout
        with self._lock:
            if len(self._free) > SPARE_SLOTS:
                slot = self._free.popleft()
            else:
                slot, self._slots = self._slots, self._slots + 1
            at = slot * SLOT_BYTES
            if at >= self._size:
                self._map = self._longer()
            self._map[at : at + SLOT_BYTES] = note.ljust(SLOT_BYTES, b"\0")
        return slot

    def _longer(self) -> mmap:
        """The file with room for more slots. Written first: a mapped page that finds the disk full ends the process."""
        os.pwrite(self._file, bytes(SLOTS_AT_ONCE * SLOT_BYTES), self._size)
        self._size += SLOTS_AT_ONCE * SLOT_BYTES
        return mmap(self._file, self._size)

    def clear(self, slot: int) -> None:
        if slot != NO_SLOT:
            self._free.append(slot)

    def close(self) -> None:
        """Only once nothing is in hand."""
        self._map.close()
        os.close(self._file)
        with suppress(OSError):
            self.path.unlink()


def read_ledger(path: Path) -> list[Held]:
    data = path.read_bytes()
    return [held for at in range(0, len(data), SLOT_BYTES) if (held := read_slot(data[at : at + SLOT_BYTES]))]


def read_slot(slot: bytes) -> Held | None:
    try:
        note = cast("dict[str, Any]", json.loads(slot.rstrip(b"\0")))
        return Held(str(note["run"]), base64.b64decode(note["token"]))
    except (ValueError, KeyError):
        return None


@contextmanager
def dead_ledgers(project: Project) -> Generator[list[Path]]:
    """Ledgers of processes that are gone for certain, locked for the time being and removed at the end.

    They stay, for the next one to take over, if this process dies before, or does not get to the end.
    """
    locked: list[tuple[int, Path]] = []
    try:
        for path in sorted(ledgers(project).glob("*")):
            owner = Identity.read(path.name)
            if owner is None or owner.standing() != "gone":
                continue
            file = lock(path)
            if file is not None:
                locked.append((file, path))
        yield [path for _, path in locked]
        for _, path in locked:
            path.unlink(missing_ok=True)
    finally:
        for file, _ in locked:
            os.close(file)


def lock(path: Path) -> int | None:
    """None if somebody else is at it, or has done it."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(file)
        return None
    if not path.exists():
        os.close(file)
        return None
    return file


async def take_over(project: Project, client: Client, open_runs: Sequence[str]) -> int:
    """Hands on what dead processes of this machine had in hand. Returns how many steps that were."""
    if not any(ledgers(project).glob("*")):
        return 0
    with ExitStack() as over:
        paths = over.enter_context(dead_ledgers(project))
        if not paths:
            return 0
        held = [step for path in paths for step in read_ledger(path)]
        known = list(dict.fromkeys(step.run_id for step in held))
        drivers = await each(known, lambda run_id: describe(client, run_id))
        children = [child.workflow_id for driver in drivers for child in driver.pending_children]
        found = [*drivers, *await each(children, lambda workflow_id: describe(client, workflow_id))]
        workflows = [one.workflow_execution_info.execution.workflow_id for one in found]
        waiting = [workflow for workflow, one in zip(workflows, found, strict=True) if is_waiting(one)]
        await each([one for one in workflows if one not in waiting], lambda one: sticky.reset(client, one))
        noted = await each(held, lambda step: hand_on(client, step))
        dead = {path.name for path in paths}
        unnoted = await each(workflows, lambda workflow_id: hand_on_unnoted(client, workflow_id, dead))
        idle = [run for run in open_runs if run not in known]
        sticky.empty_soon(client, sorted(dead), [*waiting, *known, *idle], idle, over.pop_all())
    count = len(noted) + sum(unnoted)
    log.info("took over %d steps of %d dead workers", count, len(paths))
    return count


async def describe(client: Client, workflow_id: str) -> DescribeWorkflowExecutionResponse:
    return (await client.get_workflow_handle(workflow_id).describe()).raw_description


def is_waiting(described: DescribeWorkflowExecutionResponse) -> bool:
    """Whether the workflow has a workflow task that nobody has taken yet."""
    from temporalio.api.enums.v1 import PendingWorkflowTaskState

    return described.pending_workflow_task.state == PendingWorkflowTaskState.PENDING_WORKFLOW_TASK_STATE_SCHEDULED


async def hand_on(client: Client, step: Held) -> None:
    if faults.armed:
        faults.before("takeover")
    await client.get_async_activity_handle(task_token=step.task_token).fail(lost())
    if faults.armed:
        faults.after("takeover")


async def hand_on_unnoted(client: Client, workflow_id: str, dead: Collection[str]) -> int:
    """What Temporal says that one of the dead has, though none of them had noted it. Returns how many that were."""
    from temporalio.api.enums.v1 import PendingActivityState

    described = await describe(client, workflow_id)
    begun = PendingActivityState.PENDING_ACTIVITY_STATE_STARTED
    steps = [one for one in described.pending_activities if one.state == begun and one.last_worker_identity in dead]
    for step in steps:
        run_id = described.workflow_execution_info.execution.run_id
        lost_step = client.get_async_activity_handle(
            workflow_id=workflow_id, run_id=run_id, activity_id=step.activity_id
        )
        if faults.armed:
            faults.before("takeover")
        await lost_step.fail(lost())
        if faults.armed:
            faults.after("takeover")
    return len(steps)


def lost() -> Exception:
    from datetime import timedelta

    from temporalio.exceptions import ApplicationError

    return ApplicationError("The worker is gone.", type="WorkerLost", next_retry_delay=timedelta(milliseconds=1))
