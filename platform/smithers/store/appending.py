"""The transaction that appends: facts, then the plan, then what follows from it.

It is written once, for both engines. `prepare` does what is slow (JSON, hashing, compressing) before the transaction;
`append` holds the write lock. A fact is safe by itself: whatever becomes of the plan, the facts that are valid stay.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from smithers.engine.command import Command
from smithers.engine.entry import (
    EndedRun,
    Entry,
    Fact,
    Json,
    Kind,
    LogEnds,
    Need,
    NewestClaim,
    NodeState,
    OpenCommand,
    OpenRun,
    claim_key,
    ended_key,
    split_node_key,
)
from smithers.engine.frame import NodeRow
from smithers.engine.state import FINAL, PAUSED
from smithers.errors import RunNotFound, StaleEpoch, StoreError
from smithers.store import sql, successors
from smithers.store.database import Connection, Cursor
from smithers.store.making import NewRunTexts, prepare_run
from smithers.store.marks import marks_of
from smithers.store.records import Append, Appended, PlanWrite, Told
from smithers.store.texts import Encoder, clean, decode, dumps

PINNED = frozenset({"claim", "render_failed"})
"""Like frames, these come only from workers of the code that the run is pinned to; the ends of bodies from any."""
QUEUES = (sql.QUEUES_OF, sql.LEAVE_QUEUES)
_CommandRow = tuple[Command, str | None]
_NodeRow = tuple[NodeRow, str | None]


@dataclass(frozen=True, slots=True)
class Text:
    """A fact with its data as text."""

    fact: Fact
    text: str


@dataclass(frozen=True, slots=True)
class PlanTexts:
    plan: PlanWrite
    covers: int
    frame: Text
    commands: tuple[_CommandRow, ...]
    nodes: tuple[_NodeRow, ...]
    error: str | None
    successor: NewRunTexts | None


@dataclass(frozen=True, slots=True)
class Prepared:
    request: Append
    facts: tuple[Text, ...]
    plan: PlanTexts | None
    after: tuple[Text, ...]
    encoder: Encoder
    code: int


def prepare(request: Append, code: int) -> Prepared:
    """`code` is the number of `request.code` in the table of codes."""
    encoder = Encoder()
    return Prepared(
        request,
        _texts(request.facts, encoder),
        _plan_texts(request, encoder),
        _texts(request.after, encoder),
        encoder,
        code,
    )


def _texts(facts: Sequence[Fact], encoder: Encoder) -> tuple[Text, ...]:
    return tuple([Text(fact, encoder.text(fact.data)) for fact in facts])


def _plan_texts(request: Append, encoder: Encoder) -> PlanTexts | None:
    plan = request.plan
    if plan is None:
        return None
    # Known before the transaction: such a plan is stored only if the log ends at `head_seen` and takes every fact.
    covers = plan.covers if plan.covers >= 0 else request.head_seen + len(request.facts)
    frame = Fact(plan.frame.kind, plan.frame.key, {**plan.frame.data, "covers": covers})
    return PlanTexts(
        plan,
        covers,
        Text(frame, encoder.text(frame.data)),
        tuple([(command, encoder.optional(command.payload)) for command in plan.commands]),
        tuple([(node, encoder.optional(node.kept)) for node in plan.nodes]),
        encoder.optional(plan.error),
        None if plan.successor is None else prepare_run(plan.successor, encoder),
    )


class Log:
    """One run's log within a transaction that holds its lock: the run's row, and what is being added."""

    __slots__ = (
        "_base",
        "_code",
        "_hits",
        "_kept",
        "_made",
        "_run",
        "_was",
        "at_ms",
        "connection",
        "digest",
        "entries",
        "epoch",
        "error",
        "head",
        "planned",
        "queues",
        "run_id",
        "source",
        "status",
    )

    def __init__(self, connection: Connection, run_id: str, now_ms: int, code: int = 0) -> None:
        row = connection.execute(sql.LOCK_RUN, (run_id,)).fetchone()
        if row is None:
            raise RunNotFound(f"There is no run {run_id!r}.", run_id=run_id)
        self.connection = connection
        self.run_id = run_id
        self._code = code
        self._run: int
        self.error: str | None
        last_ms: int
        (
            self._run,
            self.epoch,
            self.status,
            self.head,
            self.planned,
            self.digest,
            self.source,
            self.error,
            last_ms,
        ) = row
        self._base = self._run * sql.PER_RUN
        self._was = self._changeable()
        self.at_ms = max(last_ms, now_ms)
        self._made: set[int] = set()
        self._kept: dict[str, tuple[str, str, int]] = {}
        self._hits: set[str] = set()
        self.entries: list[Entry] = []
        self.queues: set[str] = set()
        """Queues in which somebody begins to wait, or a slot may have become free."""

    def put(self, kind: Kind, key: str, data: Json, text: str, code: str = "") -> bool:
        """Adds an entry at the end, unless its key is there."""
        row = (self._base + self.head + 1, self._run, kind, key, text, self.at_ms, self._code)
        if self.connection.execute(sql.INSERT_ENTRY, row).rowcount != 1:
            return False
        self.head += 1
        self.entries.append(Entry(self.head, kind, key, data, self.at_ms, code))
        return True

    def has(self, key: str) -> bool:
        return self.connection.execute(sql.ENTRY_EXISTS, (self._run, key)).fetchone() is not None

    def data_of(self, key: str) -> Json | None:
        """What the entry with this key says; None where there is none."""
        row = self.connection.execute(sql.ENTRY_OF_KEY, (self._run, key)).fetchone()
        return None if row is None else decode(self.connection, row[0])

    def open_subflow(self, node: str, iteration: str) -> tuple[int, int] | None:
        """Number and attempt of the open command that a child run carries out for a node."""
        about = (self._base, self._base + sql.PER_RUN, node, iteration)
        row = self.connection.execute(sql.OPEN_SUBFLOW, about).fetchone()
        return None if row is None else (row[0] % sql.PER_RUN, row[1])

    def ending(self) -> Json:
        """The payload of the command that ended the run."""
        row = self.connection.execute(sql.ENDING_OF, (self._base, self._base + sql.PER_RUN)).fetchone()
        return {} if row is None or row[0] is None else decode(self.connection, row[0])

    def has_only_begun(self, after: int, until: int) -> bool:
        """Whether the entries from `after` (without) to `until` are first claims, all of them."""
        about = (self._base + after, self._base + until, "%:1")
        return 0 <= after < until and self.connection.execute(sql.MORE_THAN_FIRST_CLAIMS, about).fetchone() is None

    def has_reset(self, after: int) -> bool:
        """Whether a node was reset behind the position `after`."""
        about = (self._base + after, self._base + self.head)
        return after < self.head and self.connection.execute(sql.RESETS_BETWEEN, about).fetchone() is not None

    def objection(self, need: Need | None) -> str:
        """Why the need is not met; empty if it is."""
        match need:
            case None:
                return ""
            case OpenCommand(n, begins=begins, unless=unless):
                paused = "the run is paused" if begins and self.status == PAUSED else ""
                return self._closed(n) or paused or self._is_there(unless)
            case NewestClaim(n):
                begun = f"the body of command {n} has been begun since"
                return self._closed(n) or (begun if self.has(need.next_key) else "")
            case NodeState(node, iteration, states, unless, following):
                row = self.connection.execute(sql.NODE_STATE, (self._run, node, iteration)).fetchone()
                state = row[0] if row else "not mounted"
                if state not in states:
                    return f"node {node!r} is {state}, not {' or '.join(states)}"
                return self._is_there(unless) or self._is_there(following)
            case OpenRun(paused, unless):
                other = paused is not None and paused != (self.status == PAUSED)
                return f"the run is {self.status}" if self.status in FINAL or other else self._is_there(unless)
            case LogEnds(position):
                moved = f"the log ends at {self.head}, not at {position}" if self.head != position else ""
                return f"the run is {self.status}" if self.status in FINAL else moved
            case EndedRun(statuses):
                return "" if self.status in statuses else f"the run is {self.status}, not {' or '.join(statuses)}"

    def other_code(self, kind: Kind, code: str) -> str:
        """Why a writer of this code may not say such a thing; empty if it may, or if its code is not known."""
        if kind not in PINNED or code in ("", self.digest):
            return ""
        return f"the run is pinned to the code {self.digest[:12]}, this is {code[:12]}"

    def _is_there(self, key: str) -> str:
        """Why an entry that must not be there is in the way; empty if it is not."""
        return f"{key!r} is in the log" if key and self.has(key) else ""

    def _closed(self, n: int) -> str:
        """Why command `n` is not open; empty if it is."""
        if n in self._made:
            return ""
        row = self.connection.execute(sql.COMMAND_IS_OPEN, (self._base + n,)).fetchone()
        return "" if row and row[0] else f"command {n} is closed" if row else f"there is no command {n}"

    def take(self, fact: Fact) -> None:
        """What a stored fact changes besides the log."""
        if isinstance(fact.needs, OpenCommand | NewestClaim) and fact.needs.closes:
            self.close_commands((fact.needs.n,))
        elif isinstance(fact.needs, EndedRun):
            self.status, self.error = "running", None
            self.epoch += 1
            self.close_endings()
        self.take_status(fact.kind)
        if fact.kind == "retried":
            self.take_reset(fact.data)
        if fact.kind in ("ended", "settled") and self.status == PAUSED:
            self.show_end(fact.data)
        if fact.kind == "ended" and fact.data.get("outcome") == "finished" and "cache" in fact.data:
            self._cache(fact.data)
        if fact.kind == "amended":
            self.mark_anew(fact.data["input"])
        if fact.kind == "settled" and isinstance(fact.needs, NewestClaim):
            self.leave_queue(fact.needs.node, fact.needs.iteration)
        if fact.kind == "ended" and "queue" in fact.data:
            self.leave_queue(fact.data["node"], fact.data["iteration"])
        if fact.kind in ("paused", "render_failed"):
            self.note_queues(self.connection.execute(sql.HAND_BACK, (self._run,)))
        if fact.kind == "follow":
            self.digest, self.source = fact.data["digest"], fact.data["source"]

    def mark_anew(self, input: Json) -> None:
        """The run is found by this input from now on."""
        marks = marks_of({**(self.data_of("started") or {}), "input": input})
        self.connection.execute(sql.DELETE_MARKS, (self._run,))
        self.connection.executemany(sql.INSERT_MARK, [(name, value, self._run) for name, value in marks])

    def take_reset(self, data: Json) -> None:
        """What is reset asks nobody from now on, and none of its timers counts."""
        keys = [split_node_key(key) for key in data.get("reset", ())]
        self.connection.executemany(sql.RESET_NODE, [(self._run, node, iteration) for node, iteration in keys])
        self.close_commands(data.get("closed", ()))
        for node, iteration in keys:
            self.leave_queue(node, iteration)

    # Queues that runs share

    def ask_for_turns(self, commands: Sequence[Command]) -> None:
        """Sorted: rows of queues are locked in the order of their names."""
        for command in sorted(commands, key=lambda command: (command.payload or {})["queue"]):
            asked: Json = command.payload or {}
            place = self.connection.execute(sql.TAKE_PLACE, (asked["queue"],)).fetchone()[0]
            about = asked["queue"], asked["priority"], place, asked["limit"], command.n, self.at_ms
            self.connection.execute(sql.WRITE_TICKET, (self._run, command.node, command.iteration, *about))
            self.queues.add(asked["queue"])

    def has_turns(self, commands: Sequence[Command]) -> bool:
        """Whether all tasks of queues among these, which are about to begin, still have their slots."""
        begun = [one for one in commands if one.kind in ("run", "child") and "queue" in (one.payload or {})]
        return all(
            self.connection.execute(sql.HAS_TURN, (self._run, one.node, one.iteration)).fetchone() for one in begun
        )

    def leave_queue(self, node: str, iteration: str) -> None:
        self.note_queues(self.connection.execute(sql.LEAVE_QUEUE, (self._run, node, iteration)))

    def note_queues(self, changed: Cursor) -> None:
        self.queues.update(name for (name,) in changed.fetchall())

    def attempt_of(self, n: int) -> int | None:
        """Of an open command."""
        row = self.connection.execute(sql.ATTEMPT_OF, (self._base + n,)).fetchone()
        return None if row is None else row[0]

    def show_end(self, data: Json) -> None:
        """Says of a node whose task is over in a pause that it does not run any more: no frame will for long."""
        outcome = data.get("outcome")
        state = outcome if outcome in ("finished", "cancelled") else "pending"
        ended_ms = 0 if state == "pending" else self.at_ms
        self.connection.execute(sql.END_NODE, (state, ended_ms, self._run, data["node"], data["iteration"]))

    def take_status(self, kind: Kind) -> None:
        """A pause lasts until it is ended, whatever is stored meanwhile; then a plan says what the run waits for."""
        if kind == "paused":
            self.status = PAUSED
        elif kind in ("unpaused", "cancel") and self.status == PAUSED:
            self.status = "running"
        elif kind == "render_failed" and self.status not in FINAL and self.status != PAUSED:
            self.status = "waiting-code"

    def _cache(self, data: Json) -> None:
        """Notes an output for other runs, or that this run has taken one. The entry is the last one so far."""
        cache = data["cache"]
        if cache.get("hit"):
            self._hits.add(cache["key"])
        else:
            self._kept[cache["key"]] = (data["node"], cache["version"], self._base + self.head)

    def _write_cache(self) -> None:
        """Sorted, so that two transactions with the same keys wait for each other instead of deadlocking."""
        for key in sorted({*self._kept, *self._hits}):
            if key in self._hits:
                self.connection.execute(sql.NOTE_HIT, (self.at_ms, key))
            if key in self._kept:
                node, version, entry = self._kept[key]
                row = (key, self._run, node, clean(version), entry, self.at_ms)
                self.connection.execute(sql.KEEP_OUTPUT, row)

    def write_commands(self, commands: Sequence[_CommandRow], owner: int) -> None:
        rows = [
            (
                self._base + command.n,
                self.epoch,
                owner,
                command.kind,
                command.node,
                command.iteration,
                command.attempt,
                command.target,
                self.at_ms + command.delay_ms if command.delay_ms > 0 else command.due_ms,
                command.timeout_ms,
                int(command.burst),
                payload,
            )
            for command, payload in commands
        ]
        self.connection.executemany(sql.INSERT_COMMAND, rows)
        self.ask_for_turns([command for command, _ in commands if command.kind == "turn"])
        self._made.update(command.n for command, _ in commands)

    def close_commands(self, numbers: Sequence[int]) -> None:
        self.connection.executemany(sql.CLOSE_COMMAND, [(self._base + n,) for n in numbers])
        self._made.difference_update(numbers)

    def close_endings(self) -> None:
        """What ended the run must not end it again, even if no frame follows because rendering fails."""
        self.connection.execute(sql.CLOSE_ENDINGS, (self._base, self._base + sql.PER_RUN))

    def write_nodes(self, nodes: Sequence[_NodeRow]) -> None:
        rows = [
            (
                self._run,
                node.node,
                node.iteration,
                node.kind,
                node.state,
                node.attempt,
                clean(node.label),
                node.ordinal,
                detail,
                self.at_ms if node.state == "running" or node.state.startswith("waiting-") else 0,
                self.at_ms if node.state in FINAL or node.state == "skipped" else 0,
            )
            for node, detail in nodes
        ]
        self.connection.executemany(sql.UPSERT_NODE, rows)

    def save(self) -> None:
        """Writes the run's row, if the log has grown."""
        if self.entries:
            self.connection.execute(sql.ADVANCE_RUN, (self.head, self.planned, self.at_ms, self._run))
        if self._kept or self._hits:
            self._write_cache()
        if self.status != self._was[1]:
            # A run that is over wants no turn; the turn of one that goes on may have been passed over.
            self.note_queues(self.connection.execute(QUEUES[self.status in FINAL], (self._run,)))
        if (now := self._changeable()) != self._was:
            self.connection.execute(sql.CHANGE_RUN, (*now, self._run))

    def _changeable(self) -> tuple[int, str, str, str, str | None]:
        return self.epoch, self.status, self.digest, self.source, self.error


def append(connection: Connection, prepared: Prepared, now_ms: int) -> Appended:
    request = prepared.request
    told = request.plan.told if request.plan is not None else None
    parent = None if told is None else parent_of(connection, told, now_ms, prepared.code)
    log = Log(connection, request.run_id, now_ms, prepared.code)
    if request.epoch is not None and request.epoch != log.epoch:
        raise StaleEpoch(
            f"Run {request.run_id!r} is at epoch {log.epoch}, this writer at {request.epoch}: the run was resumed or "
            "driven again since. Nothing was stored.",
            run_id=request.run_id,
            epoch=log.epoch,
        )
    prepared.encoder.write(connection)
    head = log.head
    outcomes = [_put_fact(log, text, request) for text in prepared.facts]
    planned = prepared.plan is not None and _fits(log, prepared.plan, request, head, outcomes)
    if prepared.plan is not None and planned:
        _put_plan(log, prepared.plan, request.code)
        if parent is not None and told is not None:
            tell(parent, told, request.run_id, request.code)
    outcomes += [_put_fact(log, text, request) if planned else "skipped" for text in prepared.after]
    log.save()
    return Appended(tuple(outcomes), planned, tuple(log.entries), log.head, log.epoch, tuple(sorted(log.queues)))


def parent_of(connection: Connection, told: Told, now_ms: int, code: int) -> Log | None:
    """The log of the run above, locked. Parents are locked before their children, by everybody."""
    try:
        return Log(connection, told.run_id, now_ms, code)
    except RunNotFound:
        return None


def tell(parent: Log, told: Told, child: str, code: str = "") -> bool:
    """Ends the node that the child stands for. False where the parent does not wait for this child (any more)."""
    found = parent.open_subflow(told.node, told.iteration)
    if found is None:
        return False
    n, attempt = found
    launched = parent.data_of(claim_key(told.node, told.iteration, attempt, 1))
    if launched is None or successors.root_launched(launched) != (told.root or child):
        return False
    data: Json = {"n": n, "node": told.node, "iteration": told.iteration, "attempt": attempt, **told.data}
    fact = Fact("ended", ended_key(told.node, told.iteration, attempt), data, OpenCommand(n))
    encoder = Encoder()
    text = Text(fact, encoder.text(data))
    encoder.write(parent.connection)
    stored = parent.put(fact.kind, fact.key, data, text.text, code)
    if stored:
        parent.take(fact)
    parent.save()
    return stored


def _put_fact(log: Log, text: Text, request: Append) -> str:
    fact = text.fact
    objection = log.objection(fact.needs) or log.other_code(fact.kind, request.code)
    if not objection and log.put(fact.kind, fact.key, fact.data, text.text, request.code):
        log.take(fact)
        return "stored"
    # A duplicate comes first: a fact that closed its command finds it closed when it is brought a second time.
    if not objection or log.has(fact.key):
        return "duplicate"
    if request.keep_rejected:
        _keep_rejected(log, text, objection, request.code)
    return "rejected"


def _keep_rejected(log: Log, text: Text, why: str, code: str) -> None:
    fact = text.fact
    key = f"rejected:{fact.key}:{secrets.token_hex(4)}"
    data: Json = {"entry": {"kind": fact.kind, "key": fact.key, "data": fact.data}, "why": why}
    encoder = Encoder()
    encoded = encoder.text(data)
    encoder.write(log.connection)
    log.put("rejected", key, data, encoded, code)


def _fits(log: Log, texts: PlanTexts, request: Append, head: int, outcomes: Sequence[str]) -> bool:
    plan = texts.plan
    if plan.base != log.planned or (plan.digest and plan.digest != log.digest) or log.status == PAUSED:
        return False
    if not log.has_turns(plan.commands) or any(log.has(key) for key in plan.unless):
        return False
    if plan.successor is not None and plan.covers >= 0 and plan.covers != log.head:
        return False
    if plan.covers >= 0:
        return plan.covers <= log.head and not log.has_reset(plan.covers)
    if any(outcome != "stored" for outcome in outcomes):
        return False
    return head == request.head_seen or (request.among_claims and log.has_only_begun(request.head_seen, head))


def _put_plan(log: Log, texts: PlanTexts, code: str) -> None:
    plan, frame, covers = texts.plan, texts.frame, texts.covers
    if plan.covers < 0 and covers != log.head:  # claims stand before the facts
        covers = log.head
        fact = Fact(frame.fact.kind, frame.fact.key, {**frame.fact.data, "covers": covers})
        frame = Text(fact, dumps(fact.data).decode())
    if not log.put(frame.fact.kind, frame.fact.key, frame.fact.data, frame.text, code):
        raise StoreError(f"A frame {frame.fact.key!r} is in the log, but does not cover position {plan.base}.")
    if texts.commands:
        log.write_commands(texts.commands, plan.owner)
    if plan.closed:
        log.close_commands(plan.closed)
    for key in plan.frame.data.get("left", ()):
        log.leave_queue(*split_node_key(key))
    if texts.nodes:
        log.write_nodes(texts.nodes)
    log.planned, log.status, log.error = covers, plan.status, texts.error
    if texts.successor is not None:
        successors.succeed(log, texts.successor, plan.carried_bytes, code)
