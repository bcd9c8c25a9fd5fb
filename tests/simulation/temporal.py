"""What Temporal and the driver do with a run: orders at least once, answers perhaps never.

The rules of taking up commands are those of `smithers.temporal.driver`, whose histories the replay tests hold; here an
order is delivered to whichever process is free, may be given up while it is carried out, and its answer may be lost.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from smithers.engine.command import ENDING
from smithers.temporal.order import FETCH, STALE, Answer, Carried, Order, Signal, code_queue
from tests.simulation.processes import DIGEST, Process


@dataclass(slots=True, eq=False)
class Flight:
    """An activity that has not been answered."""

    order: Order
    timer: bool = False
    attempt: int = 0
    process: Process | None = None
    """Who carries out the current attempt."""
    cancelled: bool = False
    needs_code: bool = False
    """Its step has failed, as the run's last facts cannot be planned. It is tried again, in vain until that is over."""


@dataclass(slots=True)
class Driver:
    dice: Random
    epoch: int = 1
    since: int = 1000
    flights: list[Flight] = field(default_factory=list[Flight])
    seen: set[int] = field(default_factory=set[int])
    dead: set[int] = field(default_factory=set[int])
    left: dict[int, int] = field(default_factory=dict[int, int])
    unanswered: list[int] = field(default_factory=list[int])
    signals: list[Signal] = field(default_factory=list[Signal])
    cancel_due: bool = False
    rang: bool = True
    full: bool = True
    above: int = 0
    done: str = ""
    code: str = field(default_factory=lambda: code_queue("p", DIGEST))

    @property
    def plain(self) -> set[int]:
        """Numbers whose step runs, or may begin at once: not those of timers that are not due."""
        flights = [flight for flight in self.flights if flight.order.n and not flight.order.child]
        return {flight.order.n for flight in flights if flight.attempt or not flight.timer}

    @property
    def fetching(self) -> bool:
        return any(flight.order.n == FETCH for flight in self.flights)

    @property
    def onward(self) -> bool:
        return any(flight.order.alone for flight in self.flights)

    @property
    def is_over(self) -> bool:
        return bool(self.done) and not self.flights

    def ring(self) -> None:
        self.rang = True
        self.turn()

    def turn(self) -> None:
        """Sends a fetch where one is due."""
        news = self.unanswered or self.signals or self.cancel_due
        if self.fetching or self.done == STALE or not (news or self.rang):
            return
        above = 0 if self.unanswered or self.full else self.above
        cancel = f"t{self.since}" if self.cancel_due else ""
        order = Order(
            "r",
            FETCH,
            self.epoch,
            self.since,
            above=above,
            settle=tuple(self.unanswered),
            cancel=cancel,
            signals=tuple(self.signals),
            alone=not self.plain,
        )
        self.rang = self.full = self.cancel_due = False
        self.unanswered, self.signals = [], []
        self.flights.append(Flight(order))

    def answered(self, flight: Flight, answer: Answer) -> None:
        if answer.unheld:
            self.ended_without_answer(flight)
            return
        self.flights.remove(flight)
        n = flight.order.n
        self.take(answer)
        if n == FETCH:
            self.above = max([self.above, *(command.n for command in answer.commands)])
        self.miss_nothing_of(n)
        self.turn()

    def ended_without_answer(self, flight: Flight) -> None:
        self.flights.remove(flight)
        if flight.order.n == FETCH:
            self.unanswered = [*flight.order.settle, *self.unanswered]
            self.signals = [*flight.order.signals, *self.signals]
            self.cancel_due = self.cancel_due or bool(flight.order.cancel)
            self.rang = self.full = True
        else:
            self.unanswered.append(flight.order.n)
        self.miss_nothing_of(flight.order.n)
        self.turn()

    def miss_nothing_of(self, owner: int) -> None:
        left = [n for n, by in self.left.items() if by == owner]
        for n in left:
            del self.left[n]
            if n not in self.seen:
                self.rang = self.full = True

    def take(self, answer: Answer) -> None:
        if answer.queue and answer.queue != self.code:
            self.move(answer.queue)
        self.done = self.done or answer.done
        for command in answer.commands:
            self.take_up(command)
        if answer.elsewhere and not self.done:
            self.rang = True  # every process holds the code here: a fetch plans

    def move(self, queue: str) -> None:
        """The run follows other code. Steps that nobody has begun come back without an answer."""
        self.code = queue
        for flight in [one for one in self.flights if one.order.n != FETCH and one.order.code and not one.attempt]:
            self.ended_without_answer(flight)

    def take_up(self, command: Carried) -> None:
        n = command.n
        if n in self.seen:
            return
        if command.owner in self.plain or (self.onward and command.owner == FETCH):
            self.left[n] = command.owner
            return
        if command.kind == "cancel":
            self.cancel(command.target)
        elif command.kind in ENDING:
            self.done = self.done or ("finished" if command.kind == "complete" else "failed")
        elif n in self.dead:
            self.unanswered.append(n)
        else:
            child = command.kind == "child"
            timer = command.kind == "timer"
            order = Order("r", n, self.epoch, self.since, code="" if timer else self.code, child=child)
            self.flights.append(Flight(order, timer))
        self.seen.add(n)

    def cancel(self, target: int) -> None:
        for flight in [flight for flight in self.flights if flight.order.n == target]:
            if flight.process is None:
                self.ended_without_answer(flight)
            else:
                flight.cancelled = True
        if target not in self.seen:
            self.dead.add(target)

    def continued(self) -> Driver:
        """As new, in the same run. Children go on by themselves."""
        return Driver(
            self.dice,
            self.epoch,
            self.since + 1,
            [flight for flight in self.flights if flight.order.child],
            code=self.code,
        )
