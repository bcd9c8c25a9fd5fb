"""One seed, one story: a generated workflow on the real store and the real steps, with everything that may go wrong.

What may happen at any moment: a process goes on by one point; a free one is given an order; one is killed, stopped for
a while, or told to shut down; Temporal gives a delivery up and delivers again, or loses an answer; a body finishes,
fails or ends late; a person decides, pauses the run or cancels it; the driver continues as new; Temporal is lost and
the run driven again.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from pathlib import Path
from random import Random
from signal import SIGKILL, SIGTERM
from typing import Any, Final, Literal
from unittest.mock import patch

from smithers.engine.entry import Entry, Fact, OpenRun, taken_from
from smithers.engine.frame import NodeRow
from smithers.engine.inbox import Sent
from smithers.engine.state import PAUSED
from smithers.errors import BudgetExceeded, RenderError
from smithers.flow.usage import Usage
from smithers.flow.workflow import AnyWorkflow
from smithers.store.records import Append, NewRun, Run, Search
from smithers.temporal import attempt, claims, facts, step
from smithers.temporal.identity import Identity
from smithers.temporal.order import Answer
from smithers.temporal.plans import Plans, WaitsForCode
from smithers.temporal.workshop import HandOver, StepSettings
from tests.simulation import acts
from tests.simulation.editions import editions_of
from tests.simulation.invariants import Broken, check_log
from tests.simulation.neighbour import Neighbour
from tests.simulation.processes import BEFORE_FRAME, DIGEST, EDITED, UNSOUND, Body, Code, Died, Machine, Process, clock
from tests.simulation.temporal import Driver, Flight
from tests.simulation.watched import WatchedStore
from tests.unit.engine.trees import Out, elsewhere

FINAL: Final = ("finished", "failed", "cancelled", "continued")
WAITS_FOR_CODE: Final = "waiting-code"
WORK: Final = ("run", "child", "subflow", "timer")
PROCESSES: Final = 3
MOST_MOVES: Final = 20_000
NEIGHBOURS: Final = 0.3
"""How many stories have another run beside them."""
MEMORY: Final = Path("/dev/shm")
BEGUN: Final = -1
"""Stands for where the log was when a body began, once that has been looked at."""
Move = tuple[float, Callable[[], None]]


@dataclass(frozen=True, slots=True)
class Faults:
    """How often each kind of harm is done, in relation to a step forward. Shrinking switches kinds off."""

    kill: float = 0.02
    stop: float = 0.01
    shut_down: float = 0.01
    give_up: float = 0.03
    lose_answer: float = 0.05
    cancel_task_late: float = 0.5
    cancel_run: float = 0.002
    continue_as_new: float = 0.02
    drive_again: float = 0.003
    pause: float = 0.01
    meddle: float = 0.004
    """Amended input, a node that is to run again, edited code."""
    die: float = 0.15
    """How often a body that runs in a process of its own takes that with it."""
    spend: float = 0.5
    """How often a body reports tokens and money, however it ends."""
    fail: float = 0.15
    resume: float = 0.3

    def without(self, name: str) -> Faults:
        return Faults(**{one.name: 0.0 if one.name == name else getattr(self, one.name) for one in fields(self)})


@dataclass(slots=True, eq=False)
class World:
    seed: int
    faults: Faults = field(default_factory=Faults)
    dice: Random = field(init=False)
    luck: Random = field(init=False)
    """What bodies do besides ending."""
    machine: Machine = field(init=False)
    driver: Driver = field(init=False)
    stopped: set[int] = field(default_factory=set[int])
    story: list[str] = field(default_factory=list[str])
    harm: Counter[str] = field(default_factory=Counter[str])
    log: list[Entry] = field(default_factory=list[Entry])
    """As it was at the end."""
    following: list[Entry] = field(default_factory=list[Entry])
    """The log of the run that goes on for this one, as it was made."""
    overtaken: Counter[str] = field(default_factory=Counter[str])
    """Kinds of the facts that have landed between a plan and its frame."""
    neighbour: Neighbour | None = None
    nannies: dict[str, Plans] = field(default_factory=dict[str, Plans])
    """Who plans for children, by the digest of their code."""
    dawdling: float = 1.0
    """How likely it is that a process goes on which has planned and not stored its frame, in relation to others."""

    def run(self, folder: Path, editions: dict[str, AnyWorkflow]) -> None:
        store = WatchedStore(now_ms=lambda: round(self.machine.clock_s * 1000))
        self.dice = Random(self.seed * 104_729 + 7)
        burst_s = self.dice.choice([0.0, 30.0])
        self.dawdling = self.dice.choice([1.0, 0.05])
        self.luck = Random(self.seed * 15_485_863 + 11)
        self.machine = Machine(store, editions, folder, StepSettings(burst_s=burst_s, render_s=1e9, grace_s=1e9))
        self.driver = Driver(self.dice)
        for _ in range(PROCESSES):
            self.machine.start()
        try:
            store.create_run(NewRun("r", editions[DIGEST].name, {}, DIGEST, "flow.py"))
            self.move_in()
            self.driver.turn()
            self.live()
            self.check()
        finally:
            for process in self.machine.processes:
                process.kill()
            store.close()

    def move_in(self) -> None:
        """Some stories have another run beside them."""
        dice = Random(self.seed * 7919 + 3)
        if dice.random() < NEIGHBOURS:
            self.neighbour = Neighbour(self.machine.store, dice, self.rung)
            self.neighbour.begin()

    def rung(self) -> None:
        self.machine.rung = True

    @property
    def status(self) -> str:
        return self.record.status

    @property
    def record(self) -> Run:
        return self.machine.store.seen.run

    def say(self, text: str) -> None:
        self.story.append(text)

    def told(self, what: str, text: str) -> None:
        self.harm[what] += 1
        self.say(text)

    def ring_mostly(self) -> None:
        """Otherwise whoever has stored something died before the bell."""
        if self.dice.random() < 0.9:
            self.driver.ring()

    def turned(self, epoch: int) -> None:
        """After a run may have been opened again: a new epoch has a driver of its own."""
        now = self.record.epoch
        if now == epoch:
            self.ring_mostly()
            return
        self.driver = Driver(self.dice, now, self.driver.since + 1)
        self.driver.turn()

    # The story

    def live(self) -> None:
        idle_rings = 0
        for _ in range(MOST_MOVES):
            if self.machine.rung:
                self.machine.rung = False
                self.driver.ring()
            if self.driver.is_over:
                if self.status == "failed" and self.dice.random() < self.faults.resume:
                    acts.resume(self)
                    continue
                if self.is_waiting_for_code() or self.status in FINAL:
                    return
                raise Broken(f"the driver is over ({self.driver.done}), the run is {self.status}")
            moves = self.moves()
            if moves:
                idle_rings = 0
                weights = [weight for weight, _ in moves]
                self.dice.choices(moves, weights)[0][1]()
                if self.neighbour is not None:
                    self.neighbour.check_slots()
            elif self.is_waiting_for_code() or idle_rings > 2:
                if self.is_waiting_for_code():
                    return
                raise Broken(f"stuck: the run is {self.status}, and nothing is in flight or can be decided")
            else:  # what the sweeper does
                idle_rings += 1
                self.driver.full = True
                self.driver.ring()
        raise Broken(f"not over after {MOST_MOVES} moves")

    def is_waiting_for_code(self) -> bool:
        """Generated trees may hold what only rendering can refuse."""
        return self.status == WAITS_FOR_CODE

    def moves(self) -> list[Move]:
        """What may happen next, with weights."""
        status = self.status
        forward = self.advances()
        self.add_assignments(forward, status)
        self.add_decisions(forward)
        if status == PAUSED:
            forward.append((0.3, self.unpause))
        if status == WAITS_FOR_CODE and self.harm["code edits"] < 5:
            forward.append((0.3, lambda: acts.follow(self)))
        if not forward and self.stopped:  # nobody else will do it
            forward = [(1.0, lambda: self.stop(self.machine.processes[min(self.stopped) - 1]))]
        if forward:
            self.add_harms(forward, status)
        return forward

    def advances(self) -> list[Move]:
        busy = [p for p in self.machine.processes if p.point and p.alive and p.number not in self.stopped]
        return [(self.dawdling if p.point == BEFORE_FRAME else 1.0, lambda p=p: self.go_on(p)) for p in busy]

    def add_assignments(self, moves: list[Move], status: str) -> None:
        waits = status == WAITS_FOR_CODE
        waiting = [one for one in self.driver.flights if one.process is None and not (one.needs_code and waits)]
        if not waiting:
            return
        free = [p for p in self.machine.processes if p.is_idle and not p.stopping and p.number not in self.stopped]
        if free:
            moves.append((2.0, lambda: self.assign(self.dice.choice(waiting), self.dice.choice(free))))

    def add_decisions(self, moves: list[Move]) -> None:
        """What people, those who send events, children and the neighbour may do."""
        seen = self.machine.store.seen
        moves += [(0.3, lambda r=row: self.decide(r)) for row in seen.asked]
        moves += [(0.3, lambda r=row: self.send(r)) for row in seen.waiting]
        moves += [(0.5, lambda r=run: self.carry_on(r)) for run in seen.live]
        if self.neighbour is not None and self.neighbour.can_go_on:
            moves.append((0.3, self.neighbour.go_on))

    def add_harms(self, moves: list[Move], status: str) -> None:
        may, alive = self.faults, [p for p in self.machine.processes if p.alive]
        harms: list[Move] = [(may.kill, lambda: self.kill(self.dice.choice(alive)))]
        harms.append((may.stop, lambda: self.stop(self.dice.choice(alive))))
        harms.append((may.shut_down, lambda: self.shut_down(self.dice.choice(alive))))
        flying = [flight for flight in self.driver.flights if flight.process is not None]
        if flying:
            harms.append((may.give_up, lambda: self.give_up(self.dice.choice(flying))))
        if not self.driver.done and not self.driver.fetching and not self.driver.plain:
            harms.append((may.continue_as_new, self.continue_as_new))
        if status not in FINAL:
            harms.append((may.cancel_run, self.cancel_run))
            harms.append((may.drive_again, self.drive_again))
            harms += acts.meddling(self)
            if status != PAUSED:
                harms.append((may.pause, self.pause))
        moves += [harm for harm in harms if harm[0] > 0]

    # Forward

    def assign(self, flight: Flight, process: Process) -> None:
        flight.attempt += 1
        flight.process = process
        self.say(f"{process.number} takes {flight.order.n}, attempt {flight.attempt}")
        mine = flight.attempt
        process.begin(flight.order, flight.attempt, lambda: flight.attempt != mine and self.dice.random() < 0.5)
        self.look(process)

    def go_on(self, process: Process) -> None:
        body = process.body
        if body is not None and process.point.startswith("body"):
            process.ending = self.end_of(body)
        self.say(f"{process.number}: {process.point}")
        process.go_on()
        self.look(process)

    def end_of(self, body: Body) -> dict[str, Any]:
        """How a body ends."""
        if body.begun_at == BEGUN and self.luck.random() < self.faults.spend:
            try:
                body.context.usage(**self.spent())
            except BudgetExceeded as error:
                self.harm["limits of tasks"] += 1
                wire = {**error.wire(), "retryable": error.retryable}
                return {"outcome": "failed", "error": wire, "ms": 3, "usage": body.context.meter.total.wire()}
        if body.alone and self.luck.random() < self.faults.die:
            self.harm["bodies that die"] += 1
            return {"outcome": "died", "signal": self.luck.choice([SIGKILL, SIGTERM])}
        ended = self.own_end(body)
        total = body.context.meter.total
        return ended if total == Usage() else {**ended, "usage": total.wire()}

    def spent(self) -> dict[str, Any]:
        luck = self.luck
        return {
            "input_tokens": luck.choice([0, 2, 15]),
            "output_tokens": luck.choice([0, 1]),
            "cost_usd": luck.choice([0, 0.07]),
        }

    def own_end(self, body: Body) -> dict[str, Any]:
        row = self.machine.store.node("r", body.command.node, body.command.iteration)
        ms = self.dice.choice([0, 0, 3, 50, 5000])
        if body.context.flag.reason == "shutdown" and self.dice.random() < 0.7:
            return {"outcome": "cancelled", "ms": ms}
        if row.state in ("cancelling", "cancelled") and self.dice.random() < self.faults.cancel_task_late:
            body.context.flag.set("cancel")
            return {"outcome": "cancelled", "ms": ms}
        if self.dice.random() < self.faults.fail:
            return acts.failure(ms, retryable=self.dice.random() < 0.8)
        return {"outcome": "finished", "output": Out(n=body.command.n).model_dump(), "ms": ms}

    def look(self, process: Process) -> None:
        """After a process has moved: a body may have begun, a delivery may have ended."""
        if process.body is not None and process.point.startswith("body"):
            self.check_begin(process.body)
        if process.result is None:
            return
        result, process.result = process.result, None
        flight = next((flight for flight in self.driver.flights if flight.process is process), None)
        if flight is None:
            return  # nobody waits for it
        flight.process = None
        if isinstance(result, Answer):
            if self.dice.random() < self.faults.lose_answer:
                self.harm["answers lost"] += 1
                self.say(f"the answer to {flight.order.n} is lost")
            else:
                self.say(f"{flight.order.n} is answered: {[c.n for c in result.commands]} {result.done}")
                self.driver.answered(flight, result)
        elif isinstance(result, RenderError):  # the tree has changed under the step: it is tried again
            flight.needs_code = isinstance(result, WaitsForCode)
        elif not isinstance(result, (Died, HandOver)):
            raise Broken(f"order {flight.order.n} ended with {result!r}") from result

    def decide(self, row: NodeRow) -> None:
        self.say(f"{row.node}:{row.iteration}: {acts.answer(self.machine.store, row, self.dice)}")
        self.ring_mostly()

    def send(self, row: NodeRow) -> None:
        about = row.detail or {}
        payload = {"n": len(self.story)} if self.dice.random() < 0.9 else {"n": "none"}
        sent = Sent(about["event"], payload, about.get("correlation"), "somebody", len(self.story))
        self.machine.store.append(Append("r", (sent.fact,)))
        self.say(f"{row.node}:{row.iteration} is sent {payload}")
        self.ring_mostly()

    def carry_on(self, child: Run) -> None:
        """A child run is planned, and what it has in flight ends. Its own steps are those of any run."""
        store = self.machine.store
        plans = self.nannies.get(child.digest)
        if plans is None:
            plans = self.nannies[child.digest] = Plans(store, Code(elsewhere, child.digest), render_s=1e9)
        for row in store.open_commands(child.run_id):
            if row.command.kind == "run":
                fails = self.dice.random() < self.faults.fail
                end = acts.failure(retryable=False) if fails else {"outcome": "finished", "output": {"n": 2}, "ms": 1}
                store.append(Append(child.run_id, (facts.ended(row.command, end),), epoch=child.epoch))
        with plans.locked(child.run_id, None) as known:
            plans.plan_all(known, 0, child.epoch)
        self.say(f"{child.run_id} is {store.run(child.run_id).status}")
        self.ring_mostly()

    # Harm

    def kill(self, process: Process) -> None:
        self.harm["kills"] += 1
        self.say(f"{process.number} is killed at {process.point!r}")
        self.stopped.discard(process.number)
        process.kill()
        process.result = None
        for flight in self.driver.flights:
            if flight.process is process:
                flight.process = None
        self.machine.start()

    def stop(self, process: Process) -> None:
        """SIGSTOP, and later SIGCONT. Temporal notices that heartbeats stay away, sooner or later."""
        if process.number in self.stopped:
            self.stopped.discard(process.number)
        elif len(self.stopped) < PROCESSES - 1:
            self.harm["stops"] += 1
            self.stopped.add(process.number)
        self.say(f"{process.number} is {'stopped' if process.number in self.stopped else 'going on'}")

    def shut_down(self, process: Process) -> None:
        self.harm["shutdowns"] += 1
        self.say(f"{process.number} is told to shut down")
        if not process.stopping:
            process.stopping = True
            self.machine.start()
            for running in process.shop.table.every():
                running.stop("shutdown")
        elif process.is_idle:
            process.kill()

    def give_up(self, flight: Flight) -> None:
        """Temporal's heartbeat timeout: the process goes on, and nobody waits for its answer."""
        self.harm["deliveries given up"] += 1
        self.say(f"Temporal gives up {flight.order.n} at {flight.process and flight.process.number}")
        flight.process = None

    def continue_as_new(self) -> None:
        self.harm["continue-as-news"] += 1
        self.say("the driver continues as new")
        self.driver = self.driver.continued()
        self.driver.turn()

    def cancel_run(self) -> None:
        self.harm["cancels"] += 1
        self.say("the run is cancelled")
        self.machine.store.append(Append("r", (Fact("cancel", "cancel", {"by": "x", "reason": ""}, OpenRun()),)))
        self.driver.ring()

    def pause(self) -> None:
        self.harm["pauses"] += 1
        self.say("the run is paused")
        self.put_pause("paused", self.harm["pauses"])

    def unpause(self) -> None:
        self.say("the run goes on")
        self.put_pause("unpaused", self.harm["pauses"])
        self.ring_mostly()

    def put_pause(self, kind: Literal["paused", "unpaused"], nth: int) -> None:
        fact = Fact(kind, f"{kind}:{nth}", {"by": "x"}, OpenRun(paused=kind == "unpaused"))
        if self.machine.store.append(Append("r", (fact,))).outcomes != ("stored",):
            raise Broken(f"{fact.key} was refused")

    def drive_again(self) -> None:
        self.harm["redrives"] += 1
        epoch = self.machine.store.redrive("r")
        self.say(f"the run is driven again, epoch {epoch}")
        self.driver = Driver(self.dice, epoch, self.driver.since + 1)
        self.driver.turn()

    # What must hold

    def check_begin(self, body: Body) -> None:
        if body.begun_at == BEGUN:
            return
        log = self.machine.store.entries("r")
        command = body.command
        key = f"ended:{command.node}:{command.iteration}:a{command.attempt}"
        if any(entry.key == key and entry.seq <= body.begun_at for entry in log):
            raise Broken(f"the body of {command.node} begins after its end was stored")
        claim = f"claim:{command.node}:{command.iteration}:a{command.attempt}:{body.nth}"
        if not any(entry.key == claim for entry in log):
            raise Broken(f"the body of {command.node} begins without its claim {claim}")
        same = [b for b in self.machine.bodies if b is not body and b.key == body.key and b.nth == body.nth]
        if any(one.command.attempt == command.attempt for one in same):
            raise Broken(f"two bodies of {command.node} begin under claim {claim}")
        body.begun_at = BEGUN

    def check(self) -> None:
        log = self.log = self.machine.store.entries("r")
        check_log(self.machine.editions, log)
        for frame in [entry for entry in log if entry.kind == "frame"]:
            self.overtaken.update(entry.kind for entry in log[frame.data["covers"] : frame.seq - 1])
        ran = {(body.command.node, body.command.iteration, body.command.attempt) for body in self.machine.bodies}
        for data in [entry.data for entry in log if entry.kind == "ended" and entry.data["outcome"] == "finished"]:
            if (
                not taken_from(data)
                and "run" not in data
                and (data["node"], data["iteration"], data["attempt"]) not in ran
            ):
                raise Broken(f"{data['node']} has an output, and its body never ran")
        left = [row for row in self.machine.store.open_commands("r") if row.command.kind in WORK]
        self.check_children(log)
        self.check_following(log)
        if self.status in FINAL and left:
            raise Broken(f"the run is {self.status} with open commands: {left}")
        if self.status in FINAL and self.neighbour is not None:
            self.neighbour.finish()

    def check_following(self, log: list[Entry]) -> None:
        """A run that has continued as new has one that goes on for it, with what is carried and with the events that
        nobody has taken; any other has none."""
        store = self.machine.store
        runs = [run.run_id for run in store.search(Search(chain="r"))]
        told = [entry.data["run"] for entry in log if entry.kind == "continued"]
        if runs != told or len(runs) != (self.status == "continued"):
            raise Broken(f"the run is {self.status}, the log says {told}, and there are {runs}")
        if not runs:
            return
        self.following = store.entries(runs[0])
        handover = next(entry.data["handover"] for entry in log if "handover" in entry.data)
        carried = [entry.data["payload"] for entry in self.following if entry.kind == "carried"]
        if carried != [state for state in [handover["state"]] if state is not None]:
            raise Broken(f"{handover} was to be carried, and {carried} was")
        taken = {how.get("signal") for entry in log for how in entry.data.get("events", {}).values()}
        left = [entry.data for entry in log if entry.kind == "signal" and entry.seq not in taken]
        if [entry.data for entry in self.following if entry.kind == "signal"] != left:
            raise Broken(f"the events {left} were to go on with the run")

    def check_children(self, log: list[Entry]) -> None:
        """Each attempt has one child, whose end is the attempt's; no child outlives the run."""
        runs = {run.run_id: run.status for run in self.machine.store.children("r")}
        launched = [entry.data["run"] for entry in log if entry.kind == "launched"]
        if set(launched) != set(runs):  # one that has failed may be opened again
            raise Broken(f"the log has launched {launched}, and there are {runs}")
        ends = {entry.data["run"]: entry.data for entry in log if entry.kind == "ended" and "run" in entry.data}
        for data in ends.values():
            if runs[data["run"]] != data["outcome"]:
                raise Broken(f"{data['run']} is {runs[data['run']]}, and its parent was told {data['outcome']}")
        if self.status in FINAL and not set(runs.values()) <= set(FINAL):
            raise Broken(f"the run is {self.status}, and its children go on: {runs}")


def tell(seed: int, faults: Faults | None = None, depth: int = 3) -> World:
    """Lives through one seed. Raises `Broken`; the world's `story` says how it came to that."""
    world = World(seed, faults or Faults())
    time = clock()

    def standing(identity: Identity) -> str:
        return world.machine.standing(str(identity))

    with (
        patch.object(claims, "time", time),
        patch.object(attempt, "time", time),
        patch.object(step, "time", time),
        patch.object(Identity, "standing", standing),
        tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder,
    ):
        try:
            world.run(Path(folder), editions_of(seed, (DIGEST, EDITED, UNSOUND), depth))
        except Exception as error:  # noqa: BLE001  whatever it is: a seed that fails is told and made small
            broken = error if isinstance(error, Broken) else Broken(repr(error))
            broken.add_note(f"seed {seed}; the last moves:\n  " + "\n  ".join(world.story[-40:]))
            raise broken from error.__cause__ if error is broken else error
    return world
