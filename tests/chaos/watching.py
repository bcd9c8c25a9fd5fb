"""Two who look on while a run goes through bad times: a follower of its log, and a person who approves."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self, TypeVar

from smithers.engine.entry import Entry
from smithers.errors import RunNotFound, StoreUnavailable
from smithers.store.interface import Store
from tests.chaos.place import FINAL, Place, Result
from tests.chaos.processes import until
from tests.chaos.truth import Line, Node, by_node, commits, extra, problems, read_lines, unended

T = TypeVar("T")
LOOK_EVERY_S = 0.02
PROGRESS = ("claim", "ended", "fired", "frame")
"""What a worker does; `died` and `released` only say what was."""


@dataclass(eq=False)
class Watched:
    """One run of a place. Starts looking at `with`."""

    place: Place
    run: str
    person: bool = True
    """Whether approvals are given."""
    zombies: bool = False
    log: list[Entry] = field(default_factory=list[Entry])
    frozen: dict[Node, int] = field(default_factory=dict[Node, int])
    """How many lines a node had when its commit was seen."""
    answers: list[Result] = field(default_factory=list[Result])
    failures: list[BaseException] = field(default_factory=list[BaseException])

    def __enter__(self) -> Self:
        self.stopped = threading.Event()
        looks = [self.follow, *([self.approve] if self.person else [])]
        self.threads = [threading.Thread(target=self.look, args=(look,), daemon=True) for look in looks]
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stopped.set()
        for thread in self.threads:
            thread.join(70)

    def look(self, look: Callable[[Store], None]) -> None:
        """Each looks with a store of its own."""
        try:
            store = self.opened()
            while store is not None and not self.stopped.wait(LOOK_EVERY_S):
                try:
                    look(store)
                except (StoreUnavailable, RunNotFound):
                    continue
        except BaseException as error:  # noqa: BLE001  said by `finish`
            self.failures.append(error)
        else:
            if store is not None:
                store.close()

    def opened(self) -> Store | None:
        store = None
        while store is None and not self.stopped.wait(LOOK_EVERY_S):
            store = self.place.opened()
        return store

    def follow(self, store: Store) -> None:
        new = store.entries(self.run, after=len(self.log))
        done = commits(new)
        if done:
            shown = by_node(read_lines(self.place.shown))
            self.frozen |= {node: len(shown[node]) for node in done}
        self.log += new

    def approve(self, store: Store) -> None:
        for node in store.nodes(self.run):
            if node.state == "waiting-approval":
                self.answers.append(self.place.call("approve", self.run, node.node))

    # What the test asks

    @property
    def status(self) -> str:
        try:
            return self.place.open().run(self.run).status
        except RunNotFound:
            return ""
        except StoreUnavailable:
            return "unknown"

    @property
    def is_over(self) -> bool:
        return self.status in FINAL

    @property
    def lines(self) -> list[Line]:
        return read_lines(self.place.shown)

    def progress(self) -> int:
        return len(self.lines) + sum(entry.kind in PROGRESS for entry in self.log)

    def wait_for_progress(self, steps: int = 1, within_s: float = 60.0) -> None:
        goal = self.progress() + steps
        self.until(lambda: self.is_over or self.progress() >= goal, "it makes progress", within_s)

    def wait_for_line(self, node: str, within_s: float = 60.0) -> Line:
        """The newest line of a node whose id begins so."""

        def found() -> list[Line]:
            return [line for line in self.lines if line.node.startswith(node)]

        return self.until(found, f"a body of {node} runs", within_s)[-1]

    def wait_for_status(self, within_s: float = 60.0) -> str:
        """The last one. Does not need that anybody looks on."""
        self.until(lambda: self.is_over, "it ends", within_s)
        return self.status

    def wait_for_end(self, within_s: float = 60.0) -> str:
        self.wait_for_status(within_s)
        self.until(lambda: self.log and len(self.log) >= self.place.open().run(self.run).head, "all was seen")
        return self.status

    def until(self, holds: Callable[[], T | None], what: str, within_s: float = 60.0) -> T:
        return until(holds, f"run {self.run}: {what}", within_s, tell=self.told)

    def told(self) -> str:
        """For whoever looks for the cause."""
        why = self.place.call("why", self.run)
        return f"{self.tail()}\n{why.out}{why.err}\n{self.answers}\n{self.failures}\n{self.place.told()}"

    def wait_for_takeover(self, within_s: float = 60.0) -> None:
        """Until Temporal has given a step to somebody else, because its worker kept silent."""
        self.until(lambda: self.place.redelivered(self.run), "a step is given out again", within_s)

    def in_flight(self) -> int:
        return len(unended(self.place.open().entries(self.run)))

    def tail(self) -> str:
        return "; ".join(f"{entry.seq} {entry.key}" for entry in self.log[-5:])

    def problems(self, *, most_extra: int) -> list[str]:
        """Everything that must not be, once the run is over."""
        found = problems(self.log, self.lines, zombies=self.zombies)
        if not self.zombies:
            now = by_node(self.lines)
            grown = [node for node, count in self.frozen.items() if len(now[node]) > count]
            found += [f"{node} ran after its commit had been seen" for node in grown]
        if extra(self.lines) > most_extra:
            found.append(f"{extra(self.lines)} bodies too many, at most {most_extra}")
        found += [f"who looked on failed: {error!r}" for error in self.failures]
        found += [f"approve failed: {answer.err}" for answer in self.answers if "Traceback" in answer.err]
        return found


def now_ms() -> float:
    return time.time() * 1000
