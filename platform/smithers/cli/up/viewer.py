"""The loop that shows one run and keeps its worker process alive.

One thread, one `select`: the worker's socket and output, the keyboard, signals; and between them a look at the log
every few hundredths of a second. The log is read from the store, as any other observer would: what is shown is stored.
"""

from __future__ import annotations

import math
import os
import select
import signal
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any, Final

from smithers.cli.guard import Deaths, begin
from smithers.cli.status import FAILED, TERMINATED, WAITING, exit_status
from smithers.cli.up.keys import Dialogue, Keyboard, Reply
from smithers.cli.up.screen import Screen
from smithers.cli.views.why import code, due_facts
from smithers.engine.answer import Answer
from smithers.engine.chronicle import Event
from smithers.engine.entry import Json
from smithers.engine.state import PAUSED, QUEUED
from smithers.errors import SmithersError, StoreUnavailable
from smithers.project import Project
from smithers.store import open_store
from smithers.store.interface import Store
from smithers.views.approvals import decide
from smithers.views.children import seen_status, waits_for_people
from smithers.views.model import CODE, RUNNING, RunModel, next_model
from smithers.views.nodes import find_node, named
from smithers.worker.order import Order
from smithers.worker.person import whoami

ACTIVE_S: Final = 0.03
QUIET_S: Final = 0.15
SETTLED_S: Final = 1.0
"""Without news for so long the log is looked at less often."""
PAGE: Final = 5000
DRAIN_S: Final = 10.0
AFTER_DRAIN_S: Final = 5.0
RENDER_AGAIN_S: Final = 3.0
"""How long a resumed run whose code did not render is given to render after all, once it was rung."""
SLOW_S: Final = 5.0
SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class Policy:
    """When to leave a run that is not over."""

    leaves_person: bool = True
    """When only a person can go on with it."""
    leaves_timer: bool = False
    """When it waits for anything."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Why the viewer has left."""

    status: int
    run_id: str = ""
    refused: Json | None = None
    """An error of the worker process, as it came."""
    signal: str = ""
    """The name of the signal that ended the watching."""
    lost: str = ""
    """How the worker process died, when it was not started again."""


class Viewer:
    def __init__(
        self, project: Project, order: Order, screen: Screen, policy: Policy, dialogue: Dialogue | None
    ) -> None:
        self.project = project
        self.order = order
        self.screen = screen
        self.policy = policy
        self.dialogue = dialogue
        self.keyboard = Keyboard() if dialogue is not None else None
        self.deaths = Deaths()
        self.signals: list[int] = []
        self.woken = -1
        self.worker = begin(order)
        self.store: Store | None = None
        self.model: RunModel | None = None
        self.refused: Json | None = None
        self.news_s = self.begun_s = time.monotonic()
        self.rung_s = math.inf
        """When the worker was ready, and has rung the run."""
        self.said_slow = False
        self.next_start_s = 0.0
        self.described_s = 0.0
        self.looked_below_s = 0.0
        self.line_position = -1

    def run(self) -> Outcome:
        with self.listening():
            try:
                return self.loop()
            finally:
                self.put_away()

    def put_away(self) -> None:
        if self.keyboard is not None:
            self.keyboard.close()
        if self.model is not None:
            self.screen.end(self.model)
        if not self.worker.is_gone:
            self.worker.kill()
        self.worker.close()
        if self.store is not None:
            self.store.close()

    @contextmanager
    def listening(self) -> Generator[None]:
        """Signals become bytes that wake the loop."""
        read_end, write_end = os.pipe()
        os.set_blocking(read_end, False)
        os.set_blocking(write_end, False)
        self.woken = read_end
        before: dict[int, Any] = {number: signal.signal(number, self.noted) for number in SIGNALS}
        before[signal.SIGCONT] = signal.signal(signal.SIGCONT, self.continued)
        fd = signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(fd)
            for number, handler in before.items():
                signal.signal(number, handler)
            os.close(read_end)
            os.close(write_end)

    def noted(self, number: int, _frame: object) -> None:
        self.signals.append(number)

    def continued(self, _number: int, _frame: object) -> None:
        """Back in the foreground: the shell has given the terminal back in its own way."""
        if self.keyboard is not None and self.model is not None:
            self.keyboard.close()
            self.keyboard.open()

    # The loop

    def loop(self) -> Outcome:
        while True:
            self.wait(self.pace())
            if self.signals:
                return self.interrupted(signal.Signals(self.signals[0]))
            self.hear()
            self.follow()
            outcome = self.lost_worker() or self.leaving()
            if outcome is not None:
                return outcome

    def pace(self) -> float:
        if self.model is None:
            return SLOW_S / 5
        return ACTIVE_S if time.monotonic() - self.news_s < SETTLED_S else QUIET_S

    def wait(self, limit_s: float) -> None:
        keys = [self.keyboard.fd] if self.keyboard is not None and self.keyboard.before is not None else []
        ready, _, _ = select.select([self.woken, *keys, *self.worker.sources], [], [], limit_s)
        if self.woken in ready:
            with suppress(OSError):
                os.read(self.woken, 512)
        if keys and keys[0] in ready and self.keyboard is not None and self.dialogue is not None:
            for reply in self.dialogue.typed(self.keyboard.read()):
                self.answer(reply)

    def hear(self) -> None:
        """What the worker process says and prints."""
        for message in self.worker.messages():
            if "ready" in message:
                self.ready(message["ready"])
            elif "refused" in message:
                self.refused = message["refused"]
            elif "rung" in message:
                self.rung_s = time.monotonic()
            elif "note" in message:
                self.screen.say(str(message["note"]))
        for line in self.worker.printed_lines():
            self.screen.say(line)
        if self.model is None and not self.said_slow and time.monotonic() - self.begun_s > SLOW_S:
            self.said_slow = True
            self.screen.say(f"... {self.order.file or self.order.run_id} is still being loaded and rendered")

    def ready(self, data: Json) -> None:
        """The run is stored. After a death it comes again, and nothing is new."""
        if self.model is not None:
            return
        self.store = store = open_store(self.project, create=False)
        run = store.run(data["runId"])
        status = RUNNING if run.status != PAUSED and due_facts(store, run) else run.status
        if data["over"]:
            status = run.status
        self.model = RunModel(run.run_id, run.workflow, run.created_ms, status, position=data["after"])
        if data["after"]:
            self.model.describe(store.nodes(run.run_id))
            self.model.reader.status = run.status
        self.order = replace(self.order, run_id=run.run_id, resume=True, onward=True, follow=False, pinned=True)
        if self.keyboard is not None:
            self.keyboard.open()
        self.screen.begin(self.model)
        self.news_s = time.monotonic()

    def follow(self) -> None:
        """Shows what the log has got."""
        if self.model is None or self.store is None:
            return
        try:
            entries = self.store.entries(self.model.run_id, self.model.position, PAGE)
            events = self.model.take(entries)
            self.explain(self.store, self.model, events)
            self.describe(self.store, self.model)
        except StoreUnavailable:
            return
        if entries:
            self.news_s = time.monotonic()
            self.screen.happened(self.model, events)
        if any(event.type == "NodeFinished" for event in events):
            self.deaths.progress()
        self.go_on(self.store, self.model)
        self.screen.tick(self.model)

    def go_on(self, store: Store, before: RunModel) -> None:
        """Watches the run that goes on for the one before, unless it is deleted by now."""
        model = next_model(store, before)
        if model is None:
            return
        self.model = model
        self.order = replace(self.order, run_id=model.run_id)
        self.line_position = -1
        if self.dialogue is not None:
            self.dialogue.forget()
        self.screen.goes_on(self.model)

    def explain(self, store: Store, model: RunModel, events: list[Event]) -> None:
        """Fetches what a line about waiting needs: an approval's title, a timer's time."""
        for event in events:
            if event.type in ("NodeWaitingApproval", "NodeWaitingEvent", "NodeWaitingQueue"):
                row = store.node(model.run_id, event.node, event.iteration)
                seen = model.seen(event.node, event.iteration)
                seen.kind, seen.label, seen.detail, seen.ordinal = row.kind, row.label, row.detail, row.ordinal
        if any(event.type in ("NodeWaitingTimer", "NodeWaitingEvent") for event in events):
            for open_row in store.open_commands(model.run_id):
                if open_row.command.kind == "timer":
                    model.seen(open_row.command.node, open_row.command.iteration).due_ms = open_row.command.due_ms

    def describe(self, store: Store, model: RunModel) -> None:
        """For a picture: kinds, labels and places of new nodes, and what tasks have written last."""
        if not self.screen.is_picture or time.monotonic() < self.described_s:
            return
        begun = time.monotonic()
        if model.is_stale:
            model.describe(store.nodes(model.run_id))
        lines = store.log_lines(model.run_id, after=max(self.line_position, 0), limit=PAGE)
        for position, line in lines:
            self.line_position = position
            model.seen(line.node, line.iteration).says = line.text
        self.described_s = begun + max(0.2, 20 * (time.monotonic() - begun))

    def answer(self, reply: Reply) -> None:
        """Stores what was decided here, and has the worker look."""
        assert self.store is not None
        assert self.model is not None
        run = self.store.run(self.model.run_id)
        try:
            row = find_node(self.store, run.run_id, reply.node, reply.iteration)
            decide(self.store, run, row, Answer(reply.approved, whoami(), reply.note, reply.choice))
        except SmithersError as error:
            self.screen.say(error.message)
        self.worker.send({"ring": run.run_id})

    # Leaving

    def leaving(self) -> Outcome | None:
        if self.refused is not None:
            self.drain(AFTER_DRAIN_S)
            return Outcome(int(self.refused["status"]), self.run_id, refused=self.refused)
        model = self.model
        if model is None:
            return None
        if model.is_over and not model.goes_on_as:
            return self.left(exit_status(model.status))
        if self.should_leave(model):
            return self.left(WAITING)
        return None

    def should_leave(self, model: RunModel) -> bool:
        if self.policy.leaves_timer and (self.is_left_waiting(model) or self.waits_below(model)):
            return True
        if not self.policy.leaves_person:
            return False
        waits_for_person = model.waits_for_person and self.dialogue is None
        waits_for_person = waits_for_person or self.waits_below(model)
        return waits_for_person or model.status == CODE or self.still_does_not_render(model)

    def is_left_waiting(self, model: RunModel) -> bool:
        """Whether it waits. A turn in a queue is given in a moment where a slot is free: that is no wait."""
        settled = not model.in_state(QUEUED) or time.monotonic() - self.news_s > SETTLED_S
        return model.status.startswith("waiting") and settled

    def waits_below(self, model: RunModel) -> bool:
        """Nothing goes on but a run that this one has started, and that waits: for people, or for whatever we leave."""
        now = time.monotonic()
        if self.store is None or now - max(self.news_s, self.looked_below_s) < SETTLED_S or not model.in_state(RUNNING):
            return False
        self.looked_below_s = now
        run = self.store.run(model.run_id)
        if self.policy.leaves_timer:
            return seen_status(self.store, run).startswith("waiting")
        return waits_for_people(self.store, run)

    def still_does_not_render(self, model: RunModel) -> bool:
        """A resumed run whose last render failed says nothing new when it fails again in the same way."""
        still_s = time.monotonic() - max(self.news_s, self.rung_s)
        if model.in_state(RUNNING) or still_s < RENDER_AGAIN_S or self.store is None:
            return False
        self.news_s = time.monotonic()
        return bool(code(self.store, self.store.run(model.run_id)))

    def left(self, status: int) -> Outcome:
        self.screen_end()
        self.drain(DRAIN_S)
        return Outcome(status, self.run_id)

    def screen_end(self) -> None:
        if self.model is not None:
            self.screen.end(self.model)

    @property
    def run_id(self) -> str:
        return self.model.run_id if self.model is not None else ""

    def drain(self, drain_s: float, *, stop: Callable[[], bool] = lambda: False) -> None:
        """Has the worker stop, and waits until it is gone; not for ever, and not past a second signal."""
        self.worker.send({"stop": drain_s})
        deadline = time.monotonic() + drain_s + AFTER_DRAIN_S
        before = len(self.signals)
        while not self.worker.is_gone and time.monotonic() < deadline and len(self.signals) == before and not stop():
            self.wait(0.02)
            self.hear()
        self.hear()
        if not self.worker.is_gone:
            self.worker.kill()

    def interrupted(self, number: signal.Signals) -> Outcome:
        status = {signal.SIGINT: 130, signal.SIGTERM: TERMINATED}.get(number, 128 + number)
        if self.model is None:
            self.worker.kill()
            self.hear()
        else:
            at_work = ", ".join(named(seen.node, seen.iteration) for seen in self.model.in_state(RUNNING)[:5])
            after = f" after {at_work}" if at_work else ""
            self.screen.say(f"stopping{after}; the run stays (Ctrl-C again leaves at once)")
            self.drain(DRAIN_S)
        return Outcome(status, self.run_id, signal=number.name)

    def lost_worker(self) -> Outcome | None:
        """Starts the worker process again when it died; says so."""
        if self.next_start_s:
            return self.start_again()
        if not self.worker.is_gone or self.refused is not None:
            return None
        how = self.worker.death()
        self.hear()
        if not how:
            is_over = self.model is not None and self.model.is_over
            return None if is_over else Outcome(TERMINATED, self.run_id, signal="SIGTERM of the worker process")
        if self.model is None or not self.deaths.one_more():
            return Outcome(FAILED, self.run_id, lost=how)
        at_work = ", ".join(named(seen.node, seen.iteration) for seen in self.model.in_state(RUNNING)[:5])
        during = f" while it ran {at_work}" if at_work else ""
        self.screen.say(f"! the worker process {how}{during}; starting it again, nothing that was stored is lost")
        self.next_start_s = time.monotonic() + self.deaths.pause_s()
        return self.start_again()

    def start_again(self) -> None:
        if time.monotonic() >= self.next_start_s:
            self.next_start_s = 0.0
            self.worker.close()
            self.worker = begin(self.order)
