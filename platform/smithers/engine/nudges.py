"""What a question does while nobody answers it: it reminds people, lets others decide, and is over in the end.

These are durable timers. Their attempt says which time the node asks, which tells them from a `Timer`; they are told
apart by `target`: 0 ends the wait, k is the kth reminder, `ESCALATION` is what it says. When a reminder or an
escalation fires, a fact is stored, in the transaction that closes the timer's command, under a key that counts, so
that it happens once whoever dies meanwhile. It is not stored once the question is answered.

A reminder is followed by the next one only when a plan has seen it, so that days without a worker bring one reminder
and not all of them at once. Who may decide since an escalation is in the fact itself: whoever holds an answer against
the question reads it there, and needs no plan for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from smithers.engine.asks import Ask, span_ms
from smithers.engine.command import ESCALATION, Command
from smithers.engine.entry import Fact, Json, OpenCommand, decided_key, escalated_key, reminded_key
from smithers.engine.state import NodeMemory
from smithers.flow.policy import UNLIMITED

KINDS: Final = ("reminded", "escalated")


def nudge(command: Command) -> Fact:
    """The fact that such a timer brings when it fires."""
    answer = decided_key(command.node, command.iteration, command.attempt)
    about: Json = {"n": command.n, "node": command.node, "iteration": command.iteration, "ask": command.attempt}
    needs = OpenCommand(command.n, unless=answer)
    if command.target == ESCALATION:
        return Fact("escalated", escalated_key(answer), about | (command.payload or {}), needs)
    return Fact("reminded", reminded_key(answer, command.target), about | {"nth": command.target}, needs)


def is_wanted(ask: Ask, which: int) -> bool:
    """Whether the author still wants the timer that `which` (a `target`) stands for."""
    if which == ESCALATION:
        return ask.escalate_after is not None
    if which:
        return ask.remind_after is not None and (ask.reminders == UNLIMITED or which <= ask.reminders)
    return ask.timeout is not None


def missing(ask: Ask, iteration: str, memory: NodeMemory | None, is_armed: Callable[[int], bool]) -> Iterator[Command]:
    """The timers that a question needs and has not got, without their numbers. `is_armed` says whether an open timer is
    still the question's."""
    known = memory or NodeMemory()
    ends_ms, following = span_ms(ask.timeout), known.reminded + 1
    if ends_ms and not (known.expiry and is_armed(known.expiry)):
        yield timer(ask, iteration, known.ask, 0, ends_ms)
    if is_wanted(ask, following) and not (known.reminder and is_armed(known.reminder)):
        yield timer(ask, iteration, known.ask, following, span_ms(ask.remind_after))
    if ask.escalate_after is None or known.escalated or (known.escalation and is_armed(known.escalation)):
        return
    to: Json = {"users": list(ask.escalate_to or ()), "scopes": list(ask.escalate_to_scopes or ())}
    yield timer(ask, iteration, known.ask, ESCALATION, span_ms(ask.escalate_after), to)


def timer(ask: Ask, iteration: str, asked: int, which: int, delay_ms: int, payload: Json | None = None) -> Command:
    return Command(0, "timer", ask.id, iteration, asked, target=which, delay_ms=max(1, delay_ms), payload=payload)
