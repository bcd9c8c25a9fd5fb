"""Planning for the runs that a process works on: one planner per run, kept warm, used by one thread at a time.

Two ways lead into the log. `together` stores a fact, the frame that follows from it and the claim of a burst's next
task in one transaction; it is for a run in which nothing else is in flight. `plan_all` stores a frame for all facts
that wait for one; the facts are in the log already. Whoever loses a race reads on and plans again.

The author's code runs in here (rendering), never under the store's lock. It has a deadline: `look`, called by the
worker's watch, goes on without a rendering that hangs, and a planner whose rendering failed is thrown away.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from smithers.engine.command import ENDING, Command
from smithers.engine.entry import Entry, Fact, Json, split_node_key
from smithers.engine.fold import fold
from smithers.engine.frame import Plan
from smithers.engine.plan import Outdated, Planner
from smithers.engine.state import CONTINUED, FINAL, State
from smithers.engine.subflows import told
from smithers.errors import RenderError, StoreError
from smithers.flow.body import TaskBody
from smithers.store.habit import habitual
from smithers.store.interface import Store
from smithers.store.records import Append, Appended, PlanWrite, Told
from smithers.temporal.resting import collector_rests
from smithers.temporal.run_plans import ASKED, RunPlans
from smithers.temporal.running import Job, Superseded
from smithers.temporal.snapshots import Snapshots
from smithers.temporal.successors import successor
from smithers.temporal.task_body import Code, by_value, workflow_of

T = TypeVar("T")
LOOK_EVERY_S: Final = 0.5
MOST_TRIES: Final = 100
"""Races that one plan may lose. Each means that another process has stored a frame, so there is progress."""


class WaitsForCode(RenderError):
    """The run's last facts cannot be planned with this code."""


@dataclass(frozen=True, slots=True)
class Combined:
    """What became of facts that were to be stored with their plan."""

    outcomes: tuple[str, ...]
    """Of each fact."""
    positions: tuple[int, ...]
    """Of each fact; 0 if it was not stored."""
    plan: Plan | None
    """The frame that was stored with them."""
    at_ms: int = 0
    claimed: bool = False
    """Whether the fact in `after` was stored."""


@dataclass(slots=True)
class Onward:
    """Whether whoever plans goes on with what the plan asks for."""

    wants: Callable[[Planner, Plan], Fact | None]
    """The claim to be stored with the plan's frame, which the planner has not taken in yet."""
    claimed: bool = False
    """Whether the last frame was stored with such a claim."""


class Plans:
    """All runs of one digest in one process."""

    def __init__(
        self,
        store: Store,
        code: Code,
        *,
        render_s: float = 10.0,
        kept: int = 2000,
        kept_nodes: int = 200_000,
        snapshots: Snapshots | None = None,
    ) -> None:
        self.store = store
        self.snapshots = snapshots or Snapshots(store)
        self.code = code
        self.digest = code.digest
        self.render_s = render_s
        self._kept = kept
        self._kept_nodes = kept_nodes
        self._runs: OrderedDict[str, RunPlans] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, run_id: str) -> RunPlans:
        with self._lock:
            run = self._runs.get(run_id)
            if run is None:
                run = self._runs[run_id] = RunPlans(run_id)
                self._make_room()
            self._runs.move_to_end(run_id)
        return run

    def _make_room(self) -> None:
        """Forgets the runs that were used least recently: those that come back are folded from their logs."""
        nodes = sum(run.nodes for run in self._runs.values())
        while len(self._runs) > 1 and (len(self._runs) > self._kept or nodes > self._kept_nodes):
            nodes -= self._runs.popitem(last=False)[1].nodes

    @contextmanager
    def locked(self, run_id: str, job: Job | None) -> Generator[RunPlans]:
        """The run, for one thread at a time."""
        run = self.of(run_id)
        while not run.lock.acquire(timeout=LOOK_EVERY_S) or run.abandoned:
            run = self.of(run_id)
        run.job = job
        try:
            yield run
        finally:
            run.lock.release()

    def look(self) -> None:
        """Goes on without renderings that hang. Called from time to time."""
        with self._lock:
            runs = [run for run in self._runs.values() if run.rendering]
        for run in runs:
            if time.monotonic() - run.rendering > self.render_s:
                self.abandon(run)

    def abandon(self, run: RunPlans) -> None:
        with self._lock:
            if run.abandoned or not run.rendering:
                return
            run.abandoned = True
            self._runs[run.run_id] = RunPlans(run.run_id, hung=True)
        if run.job is not None:
            run.job.succeed()

    # One at a time: the caller is inside `locked` in everything below

    def caught_up(self, run: RunPlans) -> Planner:
        """The planner at the end of the log. Raises `RenderError`."""
        if run.planner is not None:
            entries = self.store.entries(run.run_id, after=run.planner.position)
            if not entries:
                return run.planner
            planner = run.planner
            run.meet(entries)
            try:
                self.render(run, lambda: planner.apply(entries))
            except (Outdated, RenderError):  # whether rendering really fails, a planner that starts anew finds out
                run.planner = None
            else:
                run.note(entries, self.digest)
                return planner
        return self.rebuilt(run)

    def take_in(self, run: RunPlans, entries: Sequence[Entry]) -> bool:
        """Takes note of what the caller has stored itself. False where the planner does not stand right before it."""
        planner = run.planner
        if planner is None or not entries or entries[0].seq != planner.position + 1:
            return False
        planner.stored(entries)
        run.note(entries, self.digest)
        return True

    def rebuilt(self, run: RunPlans) -> Planner:
        with collector_rests():
            state = self.folded(run)
        if run.waits_for_code:
            raise WaitsForCode
        if run.hung:
            raise self.slow()
        workflow = workflow_of(self.code, state.options)
        run.planner = self.render(run, lambda: Planner(workflow, state))
        nodes = run.planner.state.nodes
        run.waits.update(split_node_key(key) for key, memory in nodes.items() if memory.shown in ASKED)
        return run.planner

    def folded(self, run: RunPlans) -> State:
        """The run's state at the end of its log, of which note is taken."""
        known = self.snapshots.load(run.run_id)
        entries = self.store.entries(run.run_id, after=0 if known is None else known.position)
        run.forget()
        if known is not None:
            run.begin_at(known)
        run.note(entries, self.digest)
        return fold(known or State(run_id=run.run_id), entries)

    def render(self, run: RunPlans, call: Callable[[], T]) -> T:
        """Runs planner code. Whatever goes wrong, this planner is not used again.

        Raises `RenderError`, and `Superseded` if it took so long that others have gone on.
        """
        run.rendering = time.monotonic()
        try:
            return call()
        except Outdated:
            raise
        except RenderError:
            run.planner = None
            raise
        except BaseException as error:
            run.planner = None
            raise RenderError(f"Rendering raised {type(error).__name__}: {error}") from error
        finally:
            run.rendering = 0.0
            if run.abandoned:
                raise Superseded

    def slow(self) -> RenderError:
        return RenderError(
            f"Rendering did not come back within {self.render_s:g} s. The workflow's function, its parts and the "
            "`until` of its loops must be quick: move waiting and work into tasks.",
            code="RENDER_TIMEOUT",
        )

    def together(
        self,
        run: RunPlans,
        new: tuple[Fact, ...],
        owner: int,
        epoch: int,
        claim: Callable[[Plan], Fact | None] | None = None,
    ) -> Combined:
        """Stores facts with their frame and what `claim` makes of the plan. The planner is at the log's end, as far as
        is known; without `claim`, others may have begun other tasks since. If rendering fails, or others have written
        more than that, the facts alone are stored."""
        planner = run.planner
        assert planner is not None
        seen = planner.position
        plan: Plan | None = None
        after: Fact | None = None
        failure: RenderError | None = None

        def look_ahead() -> Plan | None:
            for fact in new:
                planner.ahead(fact)
            return planner.plan()

        try:
            plan = self.render(run, look_ahead)
        except RenderError as error:
            failure = error
        if plan is not None and claim is not None:
            after = claim(plan)
        write = None if plan is None else self.write_of(run, plan, owner, -1)
        request = Append(
            run.run_id, new, write, epoch, seen, claim is None, True, self.digest, (after,) if after else ()
        )
        try:
            appended = self.store.append(request)
        except BaseException:
            run.planner = run.mine = None  # it is ahead of the log, or nobody knows
            raise
        combined = self.landed(run, plan, new, appended)
        if combined.plan is not None and self.follow_habits(run, combined.plan, epoch) and not combined.claimed:
            self.plan_all(run, owner, epoch)
            combined = replace(combined, plan=None)  # it does not say all that follows any more
        if failure is not None and max(combined.positions):
            self.report(run, failure, epoch, max(combined.positions))
        return combined

    def landed(self, run: RunPlans, plan: Plan | None, new: Sequence[Fact], appended: Appended) -> Combined:
        if plan is None or not appended.planned or run.planner is None:
            run.planner = run.mine = None
            run.company = appended.head
            return unplanned(new, appended)
        run.planner.stored(appended.entries, len(new))
        run.note(appended.entries, self.digest)
        run.watch(plan.nodes)
        self.keep(run, run.planner, appended)
        facts = appended.entries[: len(new)]  # a plan is stored only if all of them were
        claimed = appended.outcomes[len(new) :] == ("stored",)
        positions = tuple(entry.seq for entry in facts)
        return Combined(appended.outcomes[: len(new)], positions, plan, facts[0].at_ms, claimed)

    def plan_all(self, run: RunPlans, owner: int, epoch: int, onward: Onward | None = None) -> Planner | None:
        """Stores frames until no fact waits for one. None where the run waits for other code."""
        for _ in range(MOST_TRIES):
            try:
                planner = self.caught_up(run)
                if not planner.due or planner.status in FINAL:
                    return planner
                plan = self.render(run, planner.plan)
            except WaitsForCode:
                return None
            except RenderError as error:
                self.report(run, error, epoch)
                return None
            if plan is None:
                return planner
            if not self.commit(run, planner, plan, owner, epoch, onward):
                return None
        raise StoreError(f"Run {run.run_id!r}: {MOST_TRIES} plans in a row were overtaken.")

    def commit(
        self, run: RunPlans, planner: Planner, plan: Plan, owner: int, epoch: int, onward: Onward | None
    ) -> bool:
        """False where another digest is to plan. Overtaken plans are a reason to try again."""
        claim = None if onward is None or onward.claimed else onward.wants(planner, plan)
        write = self.write_of(run, plan, owner, plan.covers)
        request = Append(run.run_id, (), write, epoch, code=self.digest, after=(claim,) if claim else ())
        try:
            appended = self.store.append(request)
        except BaseException:
            run.planner = run.mine = None
            raise
        if onward is not None and claim is not None:
            onward.claimed = appended.outcomes == ("stored",)
        if appended.planned:
            planner.stored(appended.entries)
            run.watch(plan.nodes)
            if planner.position >= appended.entries[-1].seq:
                run.note(appended.entries, self.digest)
                self.keep(run, planner, appended)
            self.follow_habits(run, plan, epoch)
            return True
        run.planner = run.mine = None
        return self.store.run(run.run_id).digest == self.digest

    def keep(self, run: RunPlans, planner: Planner, appended: Appended) -> None:
        """Writes down where the run stands, where that is worth it."""
        if planner.position == appended.head and self.snapshots.is_due(planner.state, run.snapshot):
            run.snapshot = planner.position
            self.snapshots.write(planner.state)

    def follow_habits(self, run: RunPlans, plan: Plan, epoch: int) -> bool:
        """Answers what people have approved often enough. A crash before it leaves the question to people."""
        facts = habitual(self.store, run.run_id, plan.nodes)
        return bool(facts) and "stored" in self.store.append(Append(run.run_id, facts, epoch=epoch)).outcomes

    def write_of(self, run: RunPlans, plan: Plan, owner: int, covers: int) -> PlanWrite:
        run.mine = (plan, owner)
        frame = Fact("frame", plan.key, {**plan.frame, "owner": owner})
        told = self.told(run, plan)
        commands = plan.commands if told is None else with_outcome(plan.commands, told.data)
        changes = commands, plan.closed, plan.nodes, plan.status, plan.error
        write = PlanWrite(plan.base, covers, owner, frame, *changes, self.digest, told, plan.unless)
        if plan.status != CONTINUED or run.planner is None:
            return write
        state = run.planner.state
        size = (state.handover or {}).get("bytes", 0)
        return replace(write, successor=successor(self.store.run(run.run_id), state), carried_bytes=size)

    def told(self, run: RunPlans, plan: Plan) -> Told | None:
        """What the parent is told by the frame that ends a child run."""
        planner = run.planner
        parent = None if planner is None else planner.state.parent
        if planner is None or parent is None or plan.status not in FINAL or plan.status == CONTINUED:
            return None
        data = told(planner.tree.root, planner.state, plan.status, plan.error, planner.workflow.name)
        root = (planner.state.continues or {}).get("root", "")
        return Told(parent["run"], parent["node"], parent["iteration"], data, root)

    def give_up(self, run: RunPlans, error: RenderError, epoch: int) -> None:
        """Makes the run wait for other code without another try."""
        run.forget()
        run.note(self.store.entries(run.run_id), self.digest)
        self.report(run, error, epoch)

    def report(self, run: RunPlans, error: RenderError, epoch: int, covers: int = 0) -> None:
        """Says why the run waits for code, once per position and digest."""
        covers = covers or run.last_fact
        wire = error.wire()
        data: Json = {"covers": covers, "digest": self.digest, "error": {**wire, "where": error.data.get("where", "")}}
        fact = Fact("render_failed", f"render_failed:{covers}:{self.digest}", data)
        self.store.append(Append(run.run_id, (fact,), epoch=epoch, code=self.digest))
        run.failed.add(covers)
        run.hung = False

    # For those who run tasks

    def body(self, run_id: str, command: Command, job: Job | None) -> TaskBody:
        """Raises `RenderError` where the tree does not have that task (any more)."""
        body = self.body_at_hand(run_id, command) or by_value(self.code, command)
        if body is not None:
            return body
        with self.locked(run_id, job) as run:
            known = run.planner
            planner = known if known is not None and known.has_in_flight(command) else self.caught_up(run)
            return self.render(run, lambda: planner.body(command.node, command.iteration))

    def body_at_hand(self, run_id: str, command: Command) -> TaskBody | None:
        """The mounted task, if it reads nothing: cheaper than making it from the payload.

        Without the lock, since whoever plans meanwhile may only replace it by the same or take it away."""
        planner = self.of(run_id).planner
        if (command.payload or {}).get("deps") or planner is None or not planner.has_in_flight(command):
            return None
        try:
            return planner.body(command.node, command.iteration)
        except RenderError:
            return None


def with_outcome(commands: Sequence[Command], data: Json) -> tuple[Command, ...]:
    """What a parent that comes back later needs to know stands with the command that ended its child."""
    return tuple(
        replace(one, payload={**(one.payload or {}), "told": data}) if one.kind in ENDING else one for one in commands
    )


def unplanned(new: Sequence[Fact], appended: Appended) -> Combined:
    """What became of facts that came without a plan, or whose plan was not stored."""
    at = {entry.key: entry.seq for entry in appended.entries}
    return Combined(appended.outcomes[: len(new)], tuple(at.get(fact.key, 0) for fact in new), None)
