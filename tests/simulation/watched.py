"""The store, and what it says of the run: read again only where somebody has written since."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from smithers.engine.frame import NodeRow
from smithers.engine.state import FINAL
from smithers.store.memory import MemoryStore
from smithers.store.records import Append, Appended, Launch, Launched, NewRun, Run

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Seen:
    run: Run
    rows: Sequence[NodeRow]
    children: Sequence[Run]
    asked: list[NodeRow] = field(init=False)
    """Nodes that wait for a person."""
    waiting: list[NodeRow] = field(init=False)
    """Nodes that wait for an event."""
    live: list[Run] = field(init=False)
    """Children that are not over."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "asked", [row for row in self.rows if row.state == "waiting-approval"])
        object.__setattr__(self, "waiting", [row for row in self.rows if row.state == "waiting-event"])
        object.__setattr__(self, "live", [run for run in self.children if run.status not in FINAL])


class WatchedStore(MemoryStore):
    def __init__(self, *, now_ms: Callable[[], int]) -> None:
        super().__init__(now_ms=now_ms)
        self._seen: Seen | None = None
        self._has_launched = False
        self.changes = 0
        """How often somebody has written, or may have."""

    @property
    def seen(self) -> Seen:
        if self._seen is None:
            children = self.children("r") if self._has_launched else []
            self._seen = Seen(self.run("r"), self.nodes("r"), children)
        return self._seen

    def _changed(self, written: T) -> T:
        self._seen = None
        self.changes += 1
        return written

    def create_run(self, new: NewRun) -> Run:
        return self._changed(super().create_run(new))

    def append(self, request: Append) -> Appended:
        return self._changed(super().append(request))

    def launch(self, request: Launch) -> Launched:
        self._has_launched = True
        return self._changed(super().launch(request))

    def redrive(self, run_id: str, by: str = "", *, least: int = 0) -> int:
        return self._changed(super().redrive(run_id, by, least=least))

    def admit(self, queues: Sequence[str] = ()) -> list[str]:
        return self._changed(super().admit(queues))
