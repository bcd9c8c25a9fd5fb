"""The store over a database with our tables, whichever engine it is."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Iterator, Sequence

from smithers.engine.entry import Entry, Json
from smithers.engine.frame import NodeRow
from smithers.errors import (
    CommandNotFound,
    IdempotencyConflict,
    NodeNotFound,
    RunExists,
    RunNotFound,
    ScheduleNotFound,
    SourcesMissing,
    WrongState,
)
from smithers.store import faults, launching, read, sql, turns
from smithers.store.appending import FINAL, Log, append, prepare
from smithers.store.codes import Codes
from smithers.store.database import Connection, Database, T
from smithers.store.deleting import delete
from smithers.store.interface import Store
from smithers.store.making import make_run, prepare_run
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
from smithers.store.searching import searched
from smithers.store.texts import Encoder, clean, dumps, loads, read_blob

ALL = 2**62
"""As a limit: no limit. PostgreSQL takes no negative one."""


def wall_clock_ms() -> int:
    return time.time_ns() // 1_000_000


class SqlStore(Store):
    def __init__(self, database: Database, *, now_ms: Callable[[], int] = wall_clock_ms) -> None:
        self._database = database
        self._now_ms = now_ms
        self._codes = Codes(database)

    # Runs -----------------------------------------------------------------------------------------------------------

    def create_run(self, new: NewRun) -> Run:
        encoder = Encoder()
        texts = prepare_run(new, encoder)

        def work(connection: Connection) -> str:
            if not make_run(connection, texts, self._now_ms()):
                return _run_of_key(connection, new)
            encoder.write(connection)
            return new.run_id

        if faults.armed:
            faults.before("fact", "started")
        run_id = self._database.write(work)
        if faults.armed:
            faults.after("fact", "started")
        return self.run(run_id)

    def run(self, run_id: str) -> Run:
        def work(connection: Connection) -> Run:
            row = connection.execute(sql.RUN, (run_id,)).fetchone()
            if row is None:
                raise _run_not_found(connection, run_id)
            return read.run(connection, row)

        return self._database.read(work)

    def launch(self, request: Launch) -> Launched:
        prepared = launching.prepare(request, self._codes.number(request.child.digest))
        if faults.armed:
            faults.before("fact", "launched")
        launched = self._database.write(lambda connection: launching.launch(connection, prepared, self._now_ms()))
        if faults.armed:
            faults.after("fact", "launched")
        return launched

    def search(self, search: Search) -> list[Run]:
        query, parameters = searched(search)

        def work(connection: Connection) -> list[Run]:
            if search.before:
                _or_run_not_found(connection, search.before, ())
            return [read.run(connection, row) for row in connection.execute(query, parameters).fetchall()]

        return self._database.read(work)

    def due_runs(self) -> list[Run]:
        def work(connection: Connection) -> list[Run]:
            return [read.run(connection, row) for row in connection.execute(sql.LIVE_RUNS).fetchall()]

        return self._database.read(work)

    def redrive(self, run_id: str, by: str = "", *, least: int = 0) -> int:
        def work(connection: Connection) -> int:
            log = Log(connection, run_id, self._now_ms())
            if log.status in FINAL:
                raise WrongState(
                    f"Run {run_id!r} is {log.status}: there is nothing to drive. A failed run is resumed, any run can "
                    "be forked.",
                    run_id=run_id,
                    status=log.status,
                )
            log.epoch = max(log.epoch + 1, least)
            data: Json = {"epoch": log.epoch, "by": by}
            log.put("redriven", f"redriven:{log.epoch}", data, dumps(data).decode())
            log.save()
            return log.epoch

        if faults.armed:
            faults.before("fact", "redriven")
        epoch = self._write_log(run_id, work)
        if faults.armed:
            faults.after("fact", "redriven")
        return epoch

    def raise_epochs(self, least: int, by: str = "") -> list[str]:
        runs = [run.run_id for run in self.due_runs()]
        for run_id in runs:
            self.redrive(run_id, by, least=least)
        self._database.write(lambda connection: connection.execute(sql.RAISE_CLOSED, (least, least)) and None)
        return runs

    def delete_run(self, run_id: str) -> Deleted:
        return self._write_log(run_id, lambda connection: delete(connection, run_id))

    def give_back_space(self) -> int:
        return self._database.give_back_space()

    # The log --------------------------------------------------------------------------------------------------------

    def append(self, request: Append) -> Appended:
        prepared = prepare(request, self._codes.number(request.code))
        if faults.armed:
            for kind in request.kinds:
                faults.before("fact", kind)
        appended = self._write_log(
            request.run_id, lambda connection: append(connection, prepared, self._now_ms()), synced=request.synced
        )
        if faults.armed:
            for kind in request.kinds:
                faults.after("fact", kind)
        if appended.queues:
            self.admit(appended.queues)
        return appended

    # Queues ---------------------------------------------------------------------------------------------------------

    def admit(self, queues: Sequence[str] = ()) -> list[str]:
        names = queues or self._database.read(lambda connection: connection.execute(sql.QUEUES_WAITED_FOR).fetchall())
        found: list[str] = []
        for name in sorted(name if isinstance(name, str) else name[0] for name in names):
            for run_id in self._admit(name):
                found.append(run_id)
                if self.on_turn is not None:
                    self.on_turn(run_id)
        return found

    def _admit(self, queue: str) -> Iterator[str]:
        for _ in range(turns.MOST_TRIES):
            first = self._database.read(lambda connection: turns.first_waiting(connection, queue))
            if first is None:
                return
            if self._give(queue, first[0]):
                yield first[0]

    def _give(self, queue: str, run_id: str) -> bool:
        if faults.armed:
            faults.before("fact", "admitted")
        given = self._database.write(lambda connection: turns.give(connection, queue, run_id, self._now_ms()))
        if faults.armed:
            faults.after("fact", "admitted")
        return given

    def tickets(self, queue: str) -> list[Ticket]:
        rows = self._database.read(lambda connection: connection.execute(sql.TICKETS, (queue,)).fetchall())
        return [Ticket(row[0], row[1], row[2], bool(row[3]), *row[4:]) for row in rows]

    # The log, read --------------------------------------------------------------------------------------------------

    def entries(self, run_id: str, after: int = 0, limit: int | None = None) -> list[Entry]:
        most = ALL if limit is None else limit

        def work(connection: Connection) -> list[Entry]:
            rows = connection.execute(sql.ENTRIES, (run_id, after, run_id, most)).fetchall()
            return read.entries(connection, _or_run_not_found(connection, run_id, rows), self._codes)

        return self._database.read(work)

    def entries_by_key(self, run_id: str, prefix: str) -> list[Entry]:
        def work(connection: Connection) -> list[Entry]:
            rows = connection.execute(sql.ENTRIES_BY_KEY, (run_id, prefix, prefix + "\U0010ffff")).fetchall()
            return read.entries(connection, _or_run_not_found(connection, run_id, rows), self._codes)

        return self._database.read(work)

    # Commands and nodes ---------------------------------------------------------------------------------------------

    def command(self, run_id: str, n: int) -> tuple[OpenCommandRow, bool]:
        def work(connection: Connection) -> tuple[OpenCommandRow, bool]:
            row = connection.execute(sql.COMMAND, (run_id, n)).fetchone()
            if row is None:
                _or_run_not_found(connection, run_id, ())
                raise CommandNotFound(f"Run {run_id!r} has no command {n}.", run_id=run_id, n=n)
            return read.command(connection, row), bool(row[read.OPEN])

        return self._database.read(work)

    def open_commands(self, run_id: str, *, above: int = 0, owner: int | None = None) -> list[OpenCommandRow]:
        def work(connection: Connection) -> list[OpenCommandRow]:
            if owner is None:
                rows = connection.execute(sql.OPEN_COMMANDS, (run_id, above, run_id)).fetchall()
            else:
                rows = connection.execute(sql.OPEN_COMMANDS_OF, (run_id, above, run_id, owner)).fetchall()
            return [read.command(connection, row) for row in _or_run_not_found(connection, run_id, rows)]

        return self._database.read(work)

    def nodes(self, run_id: str) -> list[NodeRow]:
        def work(connection: Connection) -> list[NodeRow]:
            rows = connection.execute(sql.NODES, (run_id,)).fetchall()
            return [read.node(connection, row) for row in _or_run_not_found(connection, run_id, rows)]

        return _as_the_tree_reads(self._database.read(work))

    def asked(self, run_id: str) -> list[NodeRow]:
        def work(connection: Connection) -> list[NodeRow]:
            rows = connection.execute(sql.ASKED_NODES, (run_id,)).fetchall()
            return [read.node(connection, row) for row in rows]

        return _as_the_tree_reads(self._database.read(work))

    def node(self, run_id: str, node: str, iteration: str | None = None) -> NodeRow:
        def work(connection: Connection) -> NodeRow:
            at = iteration
            if at is None:
                found = connection.execute(sql.NODE_ITERATIONS, (run_id, node)).fetchall()
                at = max((row[0] for row in found), key=read.path, default="")
            row = connection.execute(sql.NODE, (run_id, node, at)).fetchone()
            if row is None:
                raise _node_not_found(connection, run_id, node, iteration)
            return read.node(connection, row)

        return self._database.read(work)

    # The cache of outputs --------------------------------------------------------------------------------------------

    def cached(self, key: str) -> CachedOutput | None:
        def work(connection: Connection) -> CachedOutput | None:
            row = connection.execute(sql.CACHED, (key,)).fetchone()
            return None if row is None else read.cached(connection, row)

        return self._database.read(work)

    def cached_outputs(self, *, workflow: str = "", node: str = "", limit: int = 1000) -> list[CachedOutput]:
        conditions, values = _cached_by(workflow, node)
        query = sql.cached_outputs(conditions)
        rows = self._database.read(lambda connection: connection.execute(query, (*values, limit)).fetchall())
        return [CachedOutput(*row) for row in rows]

    def clear_cache(self, *, workflow: str = "", node: str = "") -> int:
        conditions, values = _cached_by(workflow, node)
        query = sql.clear_cache(conditions)
        return self._database.write(lambda connection: len(connection.execute(query, values).fetchall()))

    # The rest -------------------------------------------------------------------------------------------------------

    def write_blob(self, data: bytes) -> str:
        encoder = Encoder()
        sha256 = encoder.blob(data)
        self._database.write(encoder.write)
        return sha256

    def blob(self, sha256: str) -> bytes:
        return self._database.read(lambda connection: read_blob(connection, sha256))

    def write_sources(self, sources: Sources) -> None:
        if self.has_sources(sources.digest):
            return
        encoder = Encoder()
        files = {name: encoder.blob(data) for name, data in sources.files.items()}
        # In the row itself, however long: what is deleted must not take a file of some code with it.
        text = dumps({"entry": sources.entry, "files": files, "environment": sources.environment}).decode()

        def work(connection: Connection) -> None:
            encoder.write(connection)
            connection.execute(sql.INSERT_SOURCES, (sources.digest, text, self._now_ms()))

        self._database.write(work)

    def has_sources(self, digest: str) -> bool:
        row = self._database.read(lambda connection: connection.execute(sql.SOURCES_EXIST, (digest,)).fetchone())
        return row is not None

    def sources(self, digest: str) -> Sources:
        def work(connection: Connection) -> Sources:
            row = connection.execute(sql.SOURCES, (digest,)).fetchone()
            if row is None:
                raise SourcesMissing(
                    f"The sources of the code {digest[:12]} are not in the store: no run was started with it here, or "
                    "the one that was is older than the keeping of sources.",
                    digest=digest,
                )
            data = loads(row[0])
            files = {name: read_blob(connection, sha256) for name, sha256 in data["files"].items()}
            return Sources(digest, data["entry"], files, data["environment"])

        return self._database.read(work)

    def write_log_lines(self, lines: Sequence[LogLine]) -> None:
        ids = sorted({line.run_id for line in lines})

        def work(connection: Connection) -> None:
            # The runs' rows are locked, so that positions within a run rise in the order of commits, and a reader who
            # has seen one has seen all that come before.
            found = {run_id: connection.execute(sql.LOCK_RUN_ID, (run_id,)).fetchone() for run_id in ids}
            rows = [
                (row[0], line.node, line.iteration, line.attempt, line.at_ms, line.stream, clean(line.text))
                for line in lines
                if (row := found[line.run_id])
            ]
            connection.executemany(sql.INSERT_LOG_LINE, rows)

        if lines:
            self._database.write(work, synced=False)

    def log_lines(self, run_id: str, *, node: str = "", after: int = 0, limit: int = 1000) -> list[tuple[int, LogLine]]:
        query = sql.LOG_LINES_OF_NODE if node else sql.LOG_LINES
        parameters = (run_id, after, node, limit) if node else (run_id, after, limit)

        def work(connection: Connection) -> list[tuple[int, LogLine]]:
            rows = connection.execute(query, parameters).fetchall()
            return [(row[0], LogLine(run_id, *row[1:])) for row in _or_run_not_found(connection, run_id, rows)]

        return self._database.read(work)

    def write_snapshot(self, run_id: str, seq: int, version: int, state: bytes) -> None:
        packed = zlib.compress(state, 1)

        def work(connection: Connection) -> None:
            connection.execute(sql.INSERT_SNAPSHOT, (seq, version, packed, run_id))
            connection.execute(sql.PRUNE_SNAPSHOTS, (run_id, run_id))

        self._database.write(work, synced=False)

    def snapshot(self, run_id: str, version: int) -> tuple[int, bytes] | None:
        row = self._database.read(lambda connection: connection.execute(sql.SNAPSHOT, (run_id, version)).fetchone())
        return None if row is None else (row[0], zlib.decompress(row[1]))

    # Schedules ------------------------------------------------------------------------------------------------------

    def write_schedule(self, schedule: Schedule) -> Schedule:
        text = dumps({"when": schedule.when, "request": schedule.request}).decode()
        row = (schedule.name, text, int(schedule.paused), clean(schedule.note), self._now_ms())
        self._database.write(lambda connection: connection.execute(sql.UPSERT_SCHEDULE, row) and None)
        return self.schedule(schedule.name)

    def schedules(self) -> list[Schedule]:
        rows = self._database.read(lambda connection: connection.execute(sql.SCHEDULES).fetchall())
        return [read.schedule(row) for row in rows]

    def schedule(self, name: str) -> Schedule:
        row = self._database.read(lambda connection: connection.execute(sql.SCHEDULE, (name,)).fetchone())
        if row is None:
            raise self._schedule_not_found(name)
        return read.schedule(row)

    def delete_schedule(self, name: str) -> None:
        work = sql.DELETE_SCHEDULE
        if self._database.write(lambda connection: connection.execute(work, (name,)).fetchone()) is None:
            raise self._schedule_not_found(name)

    def note_start(self, name: str, at_ms: int, run_id: str, error: Json | None) -> None:
        row = (at_ms, run_id or None, None if error is None else dumps(error).decode(), name, at_ms)
        self._database.write(lambda connection: connection.execute(sql.NOTE_START, row) and None)

    def _schedule_not_found(self, name: str) -> ScheduleNotFound:
        near = read.nearest(name, [schedule.name for schedule in self.schedules()])
        text = f"There is no schedule {name!r}.{read.did_you_mean(near)} `smithers cron list` shows all."
        return ScheduleNotFound(text, name=name, near=near)

    def close(self) -> None:
        self._database.close()

    def _write_log(self, run_id: str, work: Callable[[Connection], T], *, synced: bool = True) -> T:
        try:
            return self._database.write(work, synced=synced)
        except RunNotFound:
            # Raised anew with the nearest ids: the search for them has no place under the write lock.
            raise self._database.read(lambda connection: _run_not_found(connection, run_id)) from None


def _as_the_tree_reads(nodes: list[NodeRow]) -> list[NodeRow]:
    return sorted(nodes, key=lambda node: (node.ordinal, read.path(node.iteration)))


def _cached_by(workflow: str, node: str) -> tuple[list[str], tuple[str, ...]]:
    given = {"runs.workflow = ?": workflow, "task_cache.node = ?": node}
    kept = {condition: value for condition, value in given.items() if value}
    return list(kept), tuple(kept.values())


def _run_of_key(connection: Connection, new: NewRun) -> str:
    """The id of the run that the idempotency key stands for, where it is the same request."""
    row = connection.execute(sql.RUN_OF_KEY, (new.idempotency_key,)).fetchone() if new.idempotency_key else None
    if row is None:
        raise RunExists(
            f"There is a run {new.run_id!r} already. Give another id, or go on with that one.", run_id=new.run_id
        )
    run = read.run(connection, row)
    if run.workflow == new.workflow and run.input == loads(dumps(new.input)):
        return run.run_id
    what = "input" if run.workflow == new.workflow else f"workflow ({run.workflow!r}, not {new.workflow!r})"
    raise IdempotencyConflict(
        f"The idempotency key {new.idempotency_key!r} stands for run {run.run_id!r}, which has another {what}. Nothing "
        "was started. Give each request a key of its own.",
        run_id=run.run_id,
        idempotency_key=new.idempotency_key,
    )


def _or_run_not_found(connection: Connection, run_id: str, rows: Sequence[T]) -> Sequence[T]:
    """The rows; with none, it is asked whether there is such a run at all."""
    if not rows and connection.execute(sql.RUN_EXISTS, (run_id,)).fetchone() is None:
        raise _run_not_found(connection, run_id)
    return rows


def _run_not_found(connection: Connection, run_id: str) -> RunNotFound:
    ids = [row[0] for row in connection.execute(sql.NEWEST_RUN_IDS).fetchall()]
    near = read.nearest(run_id, ids)
    hint = read.did_you_mean(near) or " `smithers ps` lists the runs."
    return RunNotFound(f"There is no run {run_id!r}.{hint}", run_id=run_id, near=near)


def _node_not_found(connection: Connection, run_id: str, node: str, iteration: str | None) -> NodeNotFound:
    ids = [row[0] for row in connection.execute(sql.NODE_IDS, (run_id,)).fetchall()]
    _or_run_not_found(connection, run_id, ids)
    if node in ids:
        rows = connection.execute(sql.NODE_ITERATIONS, (run_id, node)).fetchall()
        turns = sorted((row[0] for row in rows), key=read.path)
        known = f" It has {', '.join(turns[-10:])}." if turns != [""] else " It is in no loop: leave the iteration out."
        what = f"Node {node!r} of run {run_id!r} has no iteration {iteration!r}.{known}"
        return NodeNotFound(what, run_id=run_id, node=node, iteration=iteration)
    near = read.nearest(node, ids)
    hint = read.did_you_mean(near) or f" `smithers inspect {run_id}` lists its nodes."
    return NodeNotFound(f"Run {run_id!r} has no node {node!r}.{hint}", run_id=run_id, node=node, near=near)
