"""The log of the one run, and the fold that the store and every planner make of it."""

from __future__ import annotations

from typing import NamedTuple

from tests.model.records import FINAL, Case, Command, Entry, Frame

PLANWORTHY = frozenset({"started", "ended", "decided", "fired", "cancel", "settled", "resumed", "follow"})
Claim = tuple[int, int, tuple[int, int], bool]
NO_CLAIM: Claim = (0, 0, (0, 0), False)


class Unplanned(NamedTuple):
    """A fact that no frame covers yet."""

    seq: int
    n: int
    owner: int


class View(NamedTuple):
    """The state of the run at one position of its log."""

    seq: int = 0
    keys: tuple[str, ...] = ()
    commands: tuple[Command, ...] = ()
    open: frozenset[int] = frozenset()
    claims: dict[int, Claim] = {}  # noqa: RUF012  never changed: a new one replaces it
    """The newest claim of each command: nth, owner, delivery, whether its body runs alone."""
    ended: dict[str, str] = {}  # noqa: RUF012
    died: dict[str, int] = {}  # noqa: RUF012
    decided: frozenset[str] = frozenset()
    denied: frozenset[str] = frozenset()
    asks: dict[str, int] = {}  # noqa: RUF012
    """Which time an approval is asked, where it is not the first."""
    fired: frozenset[int] = frozenset()
    settled: frozenset[int] = frozenset()
    cancel: bool = False
    broken: bool = False
    """Rendering has failed, and the run follows no newer code yet."""
    resumes: int = 0
    facts: tuple[Unplanned, ...] = ()
    planned: int = 0
    since: dict[int, int] = {}  # noqa: RUF012
    """Per step: how many commands there were before the frame that covers its first fact."""
    frames: int = 0
    waiting: tuple[str, ...] = ()
    status: str = "running"
    epoch: int = 1

    @property
    def final(self) -> bool:
        return self.status in FINAL

    def command(self, n: int) -> Command:
        return self.commands[n - 1]

    def cancelling(self, n: int) -> bool:
        return any(c.kind == "cancel" and c.target == n for c in self.commands)

    def deaths(self, n: int) -> int:
        return self.died.get(self.command(n).place, 0)

    def ask(self, node: str) -> int:
        return self.asks.get(node, 1)

    def claim(self, n: int) -> Claim:
        return self.claims.get(n, NO_CLAIM)


class Log:
    """An append-only sequence. Equal logs are one object, so that states compare and hash quickly."""

    __slots__ = ("case", "entry", "next", "parent", "view")

    def __init__(self, case: Case, parent: Log | None = None, entry: Entry | None = None) -> None:
        self.case = case
        self.parent = parent
        self.entry = entry
        self.next: dict[Entry, Log] = {}
        self.view = View() if parent is None or entry is None else fold(case, parent.view, entry)

    def add(self, entry: Entry) -> Log:
        found = self.next.get(entry)
        if found is None:
            found = self.next[entry] = Log(self.case, self, entry)
        return found

    def at(self, seq: int) -> Log:
        log = self
        while log.view.seq > seq and log.parent is not None:
            log = log.parent
        return log

    def after(self, seq: int) -> list[Entry]:
        found: list[Entry] = []
        log = self
        while log.view.seq > seq and log.parent is not None and log.entry is not None:
            found.append(log.entry)
            log = log.parent
        return found[::-1]

    def __len__(self) -> int:
        return self.view.seq

    def __repr__(self) -> str:
        return " ".join(entry.key for entry in self.after(0))


def fold(case: Case, view: View, entry: Entry) -> View:
    seq = view.seq + 1
    view = view._replace(seq=seq, keys=(*view.keys, entry.key))
    if entry.frame is not None:
        return _frame(view, entry.frame)
    view = _fact(case, view, entry)
    fatal = entry.kind == "died" and view.deaths(entry.n) >= case.max_deaths
    if entry.kind in PLANWORTHY or fatal:
        return view._replace(facts=(*view.facts, Unplanned(seq, entry.n, entry.owner)))
    return view


def _frame(view: View, frame: Frame) -> View:
    covered = [fact for fact in view.facts if fact.seq <= frame.covers]
    steps = {number for fact in covered for number in (fact.n, fact.owner)}
    return view._replace(
        commands=view.commands + frame.commands,
        open=(view.open | {c.n for c in frame.commands}) - set(frame.closed),
        facts=tuple(fact for fact in view.facts if fact.seq > frame.covers),
        planned=frame.covers,
        since={**dict.fromkeys(steps, len(view.commands)), **view.since},
        frames=frame.number,
        waiting=frame.waiting,
        status=frame.status,
    )


def _fact(case: Case, view: View, entry: Entry) -> View:
    n, place, without = entry.n, entry.place, view.open - {entry.n}
    match entry.kind:
        case "claim":
            return view._replace(claims={**view.claims, n: (entry.nth, entry.owner, entry.by, entry.alone)})
        case "ended":
            return view._replace(ended={**view.ended, place: entry.outcome}, open=without)
        case "died":
            return view._replace(died={**view.died, place: view.died.get(place, 0) + 1})
        case "settled":
            still = without if case.rules.settle_closes else view.open
            return view._replace(settled=view.settled | {n}, open=still)
        case "fired":
            return view._replace(fired=view.fired | {n}, open=without)
        case "decided" if entry.outcome == "denied":
            return view._replace(denied=view.denied | {place})
        case "decided":
            return view._replace(decided=view.decided | {place})
        case "cancel":
            return view._replace(cancel=True)
        case "render_failed" | "follow":
            return view._replace(broken=entry.kind == "render_failed")
        case "resumed":
            ending = {c.n for c in view.commands if c.kind == "fail" and case.rules.resume_closes}
            again = view._replace(status="running", epoch=view.epoch + 1, resumes=view.resumes + 1)
            asks = {**view.asks, **{denied: view.ask(denied) + 1 for denied in view.denied}}
            return again._replace(open=view.open - ending, denied=frozenset(), asks=asks)
        case "epoch":
            return view._replace(epoch=view.epoch + 1)
        case _:
            return view


def append(log: Log, entry: Entry) -> tuple[Log, str]:
    """The appending transaction: `stored`, `duplicate`, `rejected` or `stale`."""
    view = log.view
    if log.case.rules.epoch_check and entry.epoch and entry.epoch != view.epoch:
        return log, "stale"
    if entry.key in view.keys:
        return log, "duplicate"
    if not is_valid(view, entry):
        return log, "rejected"
    return log.add(entry), "stored"


def is_valid(view: View, entry: Entry) -> bool:
    """What a fact needs, in the transaction that stores it."""
    match entry.kind:
        case "claim" | "ended" | "fired" | "settled" | "died" | "released":
            return entry.n in view.open
        case "decided":
            return entry.place in view.waiting
        case "cancel":
            return not view.final
        case "resumed":
            return view.status == "failed"
        case _:
            return True
