"""The log of the one run, and the fold that the store and every planner make of it."""

from __future__ import annotations

from typing import NamedTuple

from .records import FINAL, Case, Command, Entry, Frame

PLANWORTHY = frozenset({"started", "ended", "decided", "fired", "cancel", "settled", "resumed", "follow"})
Claim = tuple[int, int, tuple[int, int]]


class View(NamedTuple):
    """The state of the run at one position of its log."""

    seq: int = 0
    keys: tuple[str, ...] = ()
    commands: tuple[Command, ...] = ()
    open: frozenset[int] = frozenset()
    claims: dict[int, Claim] = {}
    """The newest claim of each command: nth, owner, delivery."""
    ended: dict[str, str] = {}
    died: dict[str, int] = {}
    done: frozenset[str] = frozenset()
    """Approvals decided."""
    fired: frozenset[int] = frozenset()
    settled: frozenset[int] = frozenset()
    cancel: bool = False
    broken: bool = False
    """Rendering has failed, and the run follows no newer code yet."""
    resumes: int = 0
    facts: tuple[tuple[int, int, int], ...] = ()
    """Facts no frame covers: position, number, owner."""
    planned: int = 0
    since: dict[int, int] = {}
    """Per step: how many commands there were before the frame that covers its first fact."""
    frames: int = 0
    waiting: tuple[str, ...] = ()
    status: str = "running"
    epoch: int = 1

    def command(self, n: int) -> Command:
        return self.commands[n - 1]

    def cancelling(self, n: int) -> bool:
        return any(c.kind == "cancel" and c.target == n for c in self.commands)

    @property
    def final(self) -> bool:
        return self.status in FINAL

    def deaths(self, n: int) -> int:
        command = self.command(n)
        return self.died.get(f"{command.node}:a{command.attempt}", 0)


class Log:
    """An append-only sequence. Equal logs are one object, so that states compare and hash quickly."""

    __slots__ = ("case", "entry", "next", "parent", "view")

    def __init__(self, case: Case, parent: Log | None, entry: Entry | None) -> None:
        self.case = case
        self.parent = parent
        self.entry = entry
        self.next: dict[Entry, Log] = {}
        self.view: View = View() if parent is None or entry is None else fold(case, parent.view, entry)

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
        return "Log(" + ", ".join(entry.key for entry in self.after(0)) + ")"


def fold(case: Case, view: View, entry: Entry) -> View:
    seq = view.seq + 1
    view = view._replace(seq=seq, keys=(*view.keys, entry.key))
    if entry.frame is not None:
        return _frame(view, entry.frame)
    view = _fact(case, view, entry)
    fatal = entry.kind == "died" and view.deaths(entry.n) >= case.max_deaths
    if entry.kind in PLANWORTHY or fatal:
        return view._replace(facts=(*view.facts, (seq, entry.n, entry.owner)))
    return view


def _frame(view: View, frame: Frame) -> View:
    covered = [fact for fact in view.facts if fact[0] <= frame.covers]
    steps = {number for _, n, owner in covered for number in (n, owner)}
    commands = tuple(c._replace(owner=frame.owner) for c in frame.commands)
    return view._replace(
        commands=view.commands + commands,
        open=(view.open | {c.n for c in commands}) - set(frame.closed),
        facts=tuple(fact for fact in view.facts if fact[0] > frame.covers),
        planned=frame.covers,
        since={**dict.fromkeys(steps, len(view.commands)), **view.since},
        frames=frame.number,
        waiting=frame.waiting,
        status=frame.status,
    )


def _fact(case: Case, view: View, entry: Entry) -> View:
    key = f"{entry.node}:a{entry.attempt}"
    match entry.kind:
        case "claim":
            return view._replace(claims={**view.claims, entry.n: (entry.nth, entry.owner, entry.by)})
        case "ended":
            return view._replace(ended={**view.ended, key: entry.outcome}, open=view.open - {entry.n})
        case "died":
            return view._replace(died={**view.died, key: view.died.get(key, 0) + 1})
        case "settled":
            open_now = view.open - {entry.n} if case.rules.settle_closes else view.open
            return view._replace(settled=view.settled | {entry.n}, open=open_now)
        case "fired":
            return view._replace(fired=view.fired | {entry.n}, open=view.open - {entry.n})
        case "decided":
            return view._replace(done=view.done | {entry.node})
        case "cancel":
            return view._replace(cancel=True)
        case "render_failed":
            return view._replace(broken=True)
        case "follow":
            return view._replace(broken=False)
        case "resumed":
            return view._replace(status="running", epoch=view.epoch + 1, resumes=view.resumes + 1)
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
    if not _valid(view, entry):
        return log, "rejected"
    return log.add(entry), "stored"


def _valid(view: View, entry: Entry) -> bool:
    match entry.kind:
        case "claim" | "ended" | "fired" | "settled" | "died":
            return entry.n in view.open
        case "decided":
            return entry.node in view.waiting
        case "cancel":
            return not view.final
        case "resumed":
            return view.status == "failed"
        case _:
            return True
