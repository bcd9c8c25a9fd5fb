"""The seam between the platform and its database: one log per run, and projections for people."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

from smithers.engine.entry import Entry, Json
from smithers.engine.frame import NodeRow
from smithers.store.records import (
    Append,
    Appended,
    CachedOutput,
    Deleted,
    Launch,
    Launched,
    LogLine,
    NewRun,
    OpenCommandRow,
    Run,
    Schedule,
    Search,
    Sources,
    Ticket,
)

ALL_CHILDREN = 1_000_000


class Store(ABC):
    """All methods are synchronous, may be called from any thread, and raise `StoreUnavailable` (retryable) when the
    database is locked, full or away."""

    on_turn: Callable[[str], None] | None = None
    """Told the id of each run whose turn in a queue has come: somebody has to ring it. It must not block. In a process
    without one the sweeper of another rings."""

    @abstractmethod
    def create_run(self, new: NewRun) -> Run:
        """Stores the run with its `started` entry. Raises `RunExists`.

        Where its idempotency key stands for a run already, that one is returned, and nothing is stored; raises
        `IdempotencyConflict` if its workflow or its input is another.
        """

    @abstractmethod
    def launch(self, request: Launch) -> Launched:
        """Starts a child run, or has a failed one go on, for a command of its parent, if that is open and has no child.

        Called again it returns the same child. Raises `RunExists` if somebody else's run has the child's id, and
        `StaleEpoch`.
        """

    def children(self, run_id: str) -> list[Run]:
        """The runs that subflows of this run have started, oldest first."""
        return self.search(Search(parent=run_id, limit=ALL_CHILDREN))[::-1]

    @abstractmethod
    def run(self, run_id: str) -> Run:
        """Raises `RunNotFound`, which names the nearest ids."""

    def runs(self, *, statuses: Sequence[str] = (), workflow: str = "", limit: int = 20) -> list[Run]:
        """Newest first."""
        return self.search(Search(statuses, workflow, limit=limit))

    @abstractmethod
    def search(self, search: Search) -> list[Run]:
        """Newest first. By index, not by scan. Raises `RunNotFound` if there is no run `search.before`."""

    @abstractmethod
    def append(self, request: Append) -> Appended:
        """The only way to write to a log. Raises `RunNotFound`, and `StaleEpoch` if `request.epoch` is not current."""

    @abstractmethod
    def redrive(self, run_id: str, by: str = "", *, least: int = 0) -> int:
        """Raises the epoch and says so in the log (`redriven`), so that drivers and steps of the old one end.
        Returns the new epoch, not below `least`. Raises `RunNotFound`, and `WrongState` if the run has ended."""

    @abstractmethod
    def raise_epochs(self, least: int, by: str = "") -> list[str]:
        """After the store was set back: drives every open run again, as `redrive` does, and returns their ids. The
        epoch of a run that is over is raised, too, for it may be resumed."""

    @abstractmethod
    def admit(self, queues: Sequence[str] = ()) -> list[str]:
        """Gives the free slots of queues (of all, by default) to those who wait, and tells `on_turn`. Returns the runs
        that got one. `append` does it for what it has changed."""

    @abstractmethod
    def tickets(self, queue: str) -> list[Ticket]:
        """Who has a slot in the queue, then who waits, in the order of their turns."""

    @abstractmethod
    def entries(self, run_id: str, after: int = 0, limit: int | None = None) -> list[Entry]:
        """In log order. Raises `RunNotFound`."""

    @abstractmethod
    def entries_by_key(self, run_id: str, prefix: str) -> list[Entry]:
        """Entries whose key starts with `prefix`, in log order. By index, not by scan."""

    @abstractmethod
    def command(self, run_id: str, n: int) -> tuple[OpenCommandRow, bool]:
        """The command and whether it is open. Raises `CommandNotFound`."""

    @abstractmethod
    def open_commands(self, run_id: str, *, above: int = 0, owner: int | None = None) -> list[OpenCommandRow]:
        """By number. `payload` is left out (None)."""

    @abstractmethod
    def nodes(self, run_id: str) -> list[NodeRow]:
        """By ordinal, then iteration."""

    @abstractmethod
    def asked(self, run_id: str) -> list[NodeRow]:
        """Those that wait for what somebody says or sends, in the same order; none where there is no such run."""

    @abstractmethod
    def node(self, run_id: str, node: str, iteration: str | None = None) -> NodeRow:
        """The latest iteration by default. Raises `NodeNotFound`, which names the nearest ids."""

    @abstractmethod
    def cached(self, key: str) -> CachedOutput | None:
        """The output that is kept under a key, as the transaction that stored its `ended` entry put it down."""

    @abstractmethod
    def cached_outputs(self, *, workflow: str = "", node: str = "", limit: int = 1000) -> list[CachedOutput]:
        """Newest first, without the outputs themselves."""

    @abstractmethod
    def clear_cache(self, *, workflow: str = "", node: str = "") -> int:
        """Forgets what is kept, all of it or that of a workflow and a node. The runs stay. Returns how many outputs."""

    @abstractmethod
    def write_blob(self, data: bytes) -> str:
        """Keeps bytes by content and returns their SHA-256 in hex. Writing the same bytes again does nothing."""

    @abstractmethod
    def blob(self, sha256: str) -> bytes:
        """Raises `StoreDamaged` if it is not there or does not match its hash."""

    @abstractmethod
    def write_sources(self, sources: Sources) -> None:
        """Keeps the code that a digest stands for, each file once by its content. The second time nothing happens."""

    @abstractmethod
    def has_sources(self, digest: str) -> bool: ...

    @abstractmethod
    def sources(self, digest: str) -> Sources:
        """Raises `SourcesMissing`, and `StoreDamaged` if a file of it is not there or does not match its hash."""

    @abstractmethod
    def write_log_lines(self, lines: Sequence[LogLine]) -> None:
        """Lines of runs that are not there are dropped."""

    @abstractmethod
    def log_lines(self, run_id: str, *, node: str = "", after: int = 0, limit: int = 1000) -> list[tuple[int, LogLine]]:
        """Pairs of a line's position (global, rising) and the line."""

    @abstractmethod
    def write_snapshot(self, run_id: str, seq: int, version: int, state: bytes) -> None:
        """Keeps the two newest of a run. Not synced: what is lost of it the log still has."""

    @abstractmethod
    def snapshot(self, run_id: str, version: int) -> tuple[int, bytes] | None:
        """The newest of that version, as (seq, state): what a fold of the log up to `seq` gives."""

    @abstractmethod
    def delete_run(self, run_id: str) -> Deleted:
        """With everything that is kept for it, and blobs that no other run has. Its id and its idempotency key are
        free again. Raises `RunNotFound`, and `WrongState` for a run that has not ended."""

    @abstractmethod
    def give_back_space(self) -> int:
        """Returns what deleted runs have left empty to the file system, bit by bit; the bytes that are still empty,
        and will be used again first. A database on a server does this by itself: 0."""

    @abstractmethod
    def due_runs(self) -> list[Run]:
        """Runs that are not final: the sweeper looks at each."""

    @abstractmethod
    def write_schedule(self, schedule: Schedule) -> Schedule:
        """Makes it, or changes what was asked for; how it went last stays. Returns it with its new revision."""

    @abstractmethod
    def schedules(self) -> list[Schedule]:
        """By name."""

    @abstractmethod
    def schedule(self, name: str) -> Schedule:
        """Raises `ScheduleNotFound`, which names the nearest."""

    @abstractmethod
    def delete_schedule(self, name: str) -> None:
        """Its runs stay. Raises `ScheduleNotFound`."""

    @abstractmethod
    def note_start(self, name: str, at_ms: int, run_id: str, error: Json | None) -> None:
        """Keeps how the start of a scheduled time went, unless a later one is known already."""

    @abstractmethod
    def close(self) -> None:
        """Commits what is queued, then closes. Idempotent."""
