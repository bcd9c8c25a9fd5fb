"""The statements, as text that both engines take (see `database.py` for how they differ)."""

from __future__ import annotations

from collections.abc import Sequence

from smithers.engine.state import ASKED

PER_RUN = 2**32
"""How many entries, and commands, a run may have: `id` is `run * PER_RUN + seq`, see `schema.py`."""
_RUN_ID = "(SELECT id FROM runs WHERE run_id = ?)"
_AFTER = f"id > (SELECT id * {PER_RUN} FROM runs WHERE run_id = ?) + ?"
_WITHIN = f"id < (SELECT (id + 1) * {PER_RUN} FROM runs WHERE run_id = ?)"

# Runs ---------------------------------------------------------------------------------------------------------------

_RUN = (
    "SELECT runs.run_id, runs.workflow, runs.status, runs.epoch, runs.head, runs.planned, runs.digest, runs.source, "
    "runs.created_ms, runs.updated_ms, runs.error, entries.data "
    f"FROM runs JOIN entries ON entries.id = runs.id * {PER_RUN} + 1"
)
RUN = f"{_RUN} WHERE runs.run_id = ?"
LIVE_RUNS = (
    f"{_RUN} WHERE runs.status NOT IN ('finished', 'failed', 'cancelled') AND runs.status <> 'continued' "
    "ORDER BY runs.id"
)
"""The first condition is that of the index."""
RUN_EXISTS = "SELECT id FROM runs WHERE run_id = ?"
NEWEST_RUN_IDS = "SELECT run_id FROM runs ORDER BY id DESC LIMIT 1000"
LOCK_RUN = (
    "SELECT id, epoch, status, head, planned, digest, source, error, updated_ms FROM runs WHERE run_id = ? "
    "/* FOR UPDATE */"
)
INSERT_RUN = (
    "INSERT INTO runs (run_id, workflow, status, epoch, head, planned, digest, source, error, created_ms, updated_ms, "
    "idempotency_key) VALUES (?, ?, 'running', 1, 1, 0, ?, ?, NULL, ?, ?, ?) ON CONFLICT DO NOTHING RETURNING id"
)
"""Nothing for a run id or an idempotency key that is there. On PostgreSQL it waits for who is storing the same."""
CHILD_OF = (
    "SELECT runs.id, runs.status, entries.data FROM runs "
    f"JOIN entries ON entries.id = runs.id * {PER_RUN} + 1 WHERE runs.run_id = ?"
)
LAST_MARKED = "SELECT run_id FROM runs WHERE id = (SELECT MAX(run) FROM marks WHERE name = ? AND value = ?)"
DELETE_MARKS = "DELETE FROM marks WHERE run = ?"
INSERT_MARK = "INSERT INTO marks (name, value, run) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
RUN_OF_KEY = f"{_RUN} WHERE runs.idempotency_key = ?"
ADVANCE_RUN = "UPDATE runs SET head = ?, planned = ?, updated_ms = ? WHERE id = ?"
CHANGE_RUN = "UPDATE runs SET epoch = ?, status = ?, digest = ?, source = ?, error = ? WHERE id = ?"
"""Apart from the other: naming the status alone makes SQLite write the index of live runs again."""


RAISE_CLOSED = (
    "UPDATE runs SET epoch = CASE WHEN epoch < ? THEN ? ELSE epoch + 1 END "
    "WHERE status IN ('finished', 'failed', 'cancelled', 'continued')"
)
"""After a restore: see `backup.py`."""


def newest_runs(conditions: Sequence[str]) -> str:
    """The newest runs that fit all conditions, see `searching.py`."""
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    return f"{_RUN}{where} ORDER BY runs.created_ms DESC, runs.id DESC LIMIT ?"


# The log ------------------------------------------------------------------------------------------------------------

_ENTRY = "SELECT id, kind, key, data, at_ms, code FROM entries"
ENTRIES = f"{_ENTRY} WHERE {_AFTER} AND {_WITHIN} ORDER BY id LIMIT ?"
ENTRIES_BY_KEY = f"{_ENTRY} WHERE run = {_RUN_ID} AND key >= ? AND key < ? ORDER BY id"
ENTRY_EXISTS = "SELECT 1 FROM entries WHERE run = ? AND key = ?"
ENTRY_OF_KEY = "SELECT data FROM entries WHERE run = ? AND key = ?"
INSERT_ENTRY = (
    "INSERT INTO entries (id, run, kind, key, data, at_ms, code) VALUES (?, ?, ?, ?, ?, ?, ?) "
    "ON CONFLICT (run, key) DO NOTHING"
)

MORE_THAN_FIRST_CLAIMS = (
    "SELECT 1 FROM entries WHERE id > ? AND id <= ? AND NOT (kind = 'claim' AND key LIKE ?) LIMIT 1"
)

RESETS_BETWEEN = "SELECT 1 FROM entries WHERE id > ? AND id <= ? AND kind = 'retried' LIMIT 1"

CODES = "SELECT id, digest FROM codes"
INSERT_CODE = "INSERT INTO codes (digest) VALUES (?) ON CONFLICT (digest) DO NOTHING"

BLOB = "SELECT data FROM blobs WHERE sha256 = ?"
INSERT_BLOB = (
    "INSERT INTO blobs (sha256, size_bytes, data) VALUES (?, ?, ?) ON CONFLICT (sha256) DO NOTHING /* BUT LOCK */"
)
"""On PostgreSQL the row is locked even where it is there already, so that nobody deletes it before it is named."""

SOURCES = "SELECT data FROM sources WHERE digest = ?"
SOURCES_EXIST = "SELECT 1 FROM sources WHERE digest = ?"
INSERT_SOURCES = "INSERT INTO sources (digest, data, kept_ms) VALUES (?, ?, ?) ON CONFLICT (digest) DO NOTHING"

# Projections --------------------------------------------------------------------------------------------------------

_COMMAND = (
    "SELECT id, kind, node, iteration, attempt, target, due_ms, timeout_ms, burst, epoch, owner, open{payload} "
    "FROM commands"
)
_OPEN_COMMANDS = f"{_COMMAND.format(payload='')} WHERE {_AFTER} AND {_WITHIN} AND open = 1"
COMMAND = f"{_COMMAND.format(payload=', payload')} WHERE id = (SELECT id * {PER_RUN} FROM runs WHERE run_id = ?) + ?"
OPEN_COMMANDS = f"{_OPEN_COMMANDS} ORDER BY id"
OPEN_COMMANDS_OF = f"{_OPEN_COMMANDS} AND owner = ? ORDER BY id"
COMMAND_IS_OPEN = "SELECT open FROM commands WHERE id = ?"
OPEN_SUBFLOW = (
    "SELECT id, attempt FROM commands WHERE id > ? AND id < ? AND open = 1 AND kind = 'subflow' AND node = ? "
    "AND iteration = ? ORDER BY id DESC LIMIT 1"
)
ENDING_OF = "SELECT payload FROM commands WHERE id > ? AND id < ? AND kind = 'complete' ORDER BY id DESC LIMIT 1"
CLOSE_COMMAND = "UPDATE commands SET open = 0 WHERE id = ?"
CLOSE_ENDINGS = "UPDATE commands SET open = 0 WHERE id > ? AND id < ? AND open = 1 AND kind IN ('complete', 'fail')"
INSERT_COMMAND = (
    "INSERT INTO commands (id, open, epoch, owner, kind, node, iteration, attempt, target, due_ms, timeout_ms, "
    "burst, payload) VALUES (?, 1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)

_NODE = (
    "SELECT node, iteration, kind, state, attempt, label, ordinal, detail, first_ms, ended_ms FROM nodes "
    f"WHERE run = {_RUN_ID}"
)
NODES = f"{_NODE} ORDER BY ordinal"
ASKED_NODES = f"{_NODE} AND state IN ({', '.join(repr(state) for state in ASKED)}) ORDER BY ordinal"
NODE = f"{_NODE} AND node = ? AND iteration = ?"
NODE_ITERATIONS = f"SELECT iteration FROM nodes WHERE run = {_RUN_ID} AND node = ?"
NODE_IDS = f"SELECT DISTINCT node FROM nodes WHERE run = {_RUN_ID} LIMIT 10000"
NODE_STATE = "SELECT state FROM nodes WHERE run = ? AND node = ? AND iteration = ?"
RESET_NODE = "UPDATE nodes SET state = 'pending', ended_ms = 0 WHERE run = ? AND node = ? AND iteration = ?"
END_NODE = (
    "UPDATE nodes SET state = ?, ended_ms = ? WHERE run = ? AND node = ? AND iteration = ? "
    "AND state IN ('running', 'cancelling')"
)
UPSERT_NODE = (
    "INSERT INTO nodes (run, node, iteration, kind, state, attempt, label, ordinal, detail, first_ms, ended_ms) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (run, node, iteration) DO UPDATE SET "
    "state = excluded.state, "
    "kind = CASE WHEN excluded.kind = '' THEN nodes.kind ELSE excluded.kind END, "
    "attempt = CASE WHEN excluded.kind = '' THEN nodes.attempt ELSE excluded.attempt END, "
    "label = CASE WHEN excluded.kind = '' THEN nodes.label ELSE excluded.label END, "
    "ordinal = CASE WHEN excluded.kind = '' THEN nodes.ordinal ELSE excluded.ordinal END, "
    "detail = CASE WHEN excluded.kind = '' THEN nodes.detail ELSE excluded.detail END, "
    "first_ms = CASE WHEN nodes.first_ms > 0 THEN nodes.first_ms ELSE excluded.first_ms END, "
    "ended_ms = CASE WHEN nodes.state = excluded.state THEN nodes.ended_ms ELSE excluded.ended_ms END"
)

# The cache of outputs ----------------------------------------------------------------------------------------------

KEEP_OUTPUT = (
    "INSERT INTO task_cache (key, run, node, version, entry, stored_ms, hits, used_ms) VALUES (?, ?, ?, ?, ?, ?, 0, 0) "
    "ON CONFLICT (key) DO UPDATE SET run = excluded.run, node = excluded.node, version = excluded.version, "
    "entry = excluded.entry, stored_ms = excluded.stored_ms, hits = 0, used_ms = 0"
)
NOTE_HIT = "UPDATE task_cache SET hits = hits + 1, used_ms = ? WHERE key = ?"
_CACHED = (
    "SELECT task_cache.key, runs.run_id, runs.workflow, task_cache.node, task_cache.version, task_cache.stored_ms, "
    "task_cache.hits, task_cache.used_ms{more} FROM task_cache JOIN runs ON runs.id = task_cache.run"
)
CACHED = (
    f"{_CACHED.format(more=', entries.data')} JOIN entries ON entries.id = task_cache.entry WHERE task_cache.key = ?"
)


def cached_outputs(conditions: Sequence[str]) -> str:
    """Newest first, without the outputs."""
    return f"{_CACHED.format(more='')}{_where(conditions)} ORDER BY task_cache.stored_ms DESC, task_cache.key LIMIT ?"


def clear_cache(conditions: Sequence[str]) -> str:
    keys = f"SELECT task_cache.key FROM task_cache JOIN runs ON runs.id = task_cache.run{_where(conditions)}"
    return f"DELETE FROM task_cache WHERE key IN ({keys}) RETURNING key"


def _where(conditions: Sequence[str]) -> str:
    return f" WHERE {' AND '.join(conditions)}" if conditions else ""


# Queues that runs share ---------------------------------------------------------------------------------------------

TAKE_PLACE = (
    "INSERT INTO queues (name, last) VALUES (?, 1) "
    "ON CONFLICT (name) DO UPDATE SET last = queues.last + 1 RETURNING last"
)
LOCK_QUEUE = "SELECT last FROM queues WHERE name = ? /* FOR UPDATE */"
WRITE_TICKET = (
    "INSERT INTO tickets (run, node, iteration, queue, held, priority, place, most, command, since_ms) "
    "VALUES (?, ?, ?, ?, 0, ?, ?, ?, ?, ?) ON CONFLICT (run, node, iteration) DO UPDATE SET queue = excluded.queue, "
    "held = 0, priority = excluded.priority, place = excluded.place, most = excluded.most, "
    "command = excluded.command, since_ms = excluded.since_ms"
)
HAS_TURN = "SELECT 1 FROM tickets WHERE run = ? AND node = ? AND iteration = ? AND held = 1"
HOLD_SLOT = "UPDATE tickets SET held = 1 WHERE run = ? AND node = ? AND iteration = ?"
LEAVE_QUEUE = "DELETE FROM tickets WHERE run = ? AND node = ? AND iteration = ? RETURNING queue"
LEAVE_QUEUES = "DELETE FROM tickets WHERE run = ? RETURNING queue"
HAND_BACK = (
    "DELETE FROM tickets WHERE run = ? AND held = 1 AND EXISTS (SELECT 1 FROM nodes WHERE nodes.run = tickets.run "
    "AND nodes.node = tickets.node AND nodes.iteration = tickets.iteration AND nodes.state = 'waiting-queue') "
    "RETURNING queue"
)
"""Of nodes whose task has not begun."""
QUEUES_OF = "SELECT DISTINCT queue FROM tickets WHERE run = ?"
QUEUES_WAITED_FOR = (
    "SELECT name FROM queues WHERE EXISTS (SELECT 1 FROM tickets WHERE tickets.queue = queues.name AND held = 0) "
    "ORDER BY name"
)
SLOTS = "SELECT COUNT(CASE WHEN held = 1 THEN 1 END), MIN(most) FROM tickets WHERE queue = ?"
FIRST_WAITING = (
    "SELECT runs.run_id, tickets.run, tickets.node, tickets.iteration, tickets.command FROM tickets "
    "JOIN runs ON runs.id = tickets.run WHERE tickets.queue = ? AND tickets.held = 0 "
    "AND runs.status NOT IN ('paused', 'waiting-code') ORDER BY tickets.priority, tickets.place LIMIT 1"
)
TICKETS = (
    "SELECT runs.run_id, tickets.node, tickets.iteration, tickets.held, tickets.priority, tickets.most, "
    "tickets.since_ms FROM tickets JOIN runs ON runs.id = tickets.run WHERE tickets.queue = ? "
    "ORDER BY tickets.held DESC, tickets.priority, tickets.place"
)
ATTEMPT_OF = "SELECT attempt FROM commands WHERE id = ? AND open = 1"

# The rest -----------------------------------------------------------------------------------------------------------

INSERT_LOG_LINE = (
    "INSERT INTO log_lines (run, node, iteration, attempt, at_ms, stream, text) VALUES (?, ?, ?, ?, ?, ?, ?)"
)
LOCK_RUN_ID = "SELECT id FROM runs WHERE run_id = ? /* FOR UPDATE */"
_LOG_LINE = f"SELECT id, node, iteration, attempt, at_ms, stream, text FROM log_lines WHERE run = {_RUN_ID} AND id > ?"
LOG_LINES = f"{_LOG_LINE} ORDER BY id LIMIT ?"
LOG_LINES_OF_NODE = f"{_LOG_LINE} AND node = ? ORDER BY id LIMIT ?"

INSERT_SNAPSHOT = (
    "INSERT INTO snapshots (run, seq, version, state) SELECT id, ?, ?, ? FROM runs WHERE run_id = ? "
    "ON CONFLICT (run, seq) DO UPDATE SET version = excluded.version, state = excluded.state"
)
PRUNE_SNAPSHOTS = (
    f"DELETE FROM snapshots WHERE run = {_RUN_ID} AND seq NOT IN "
    f"(SELECT seq FROM snapshots WHERE run = {_RUN_ID} ORDER BY seq DESC LIMIT 2)"
)
SNAPSHOT = f"SELECT seq, state FROM snapshots WHERE run = {_RUN_ID} AND version = ? ORDER BY seq DESC LIMIT 1"
_SCHEDULE = "SELECT name, data, paused, note, revision, created_ms, last_ms, last_run, error FROM schedules"
SCHEDULES = f"{_SCHEDULE} ORDER BY name"
SCHEDULE = f"{_SCHEDULE} WHERE name = ?"
UPSERT_SCHEDULE = (
    "INSERT INTO schedules (name, data, paused, note, revision, created_ms, last_ms, last_run, error) "
    "VALUES (?, ?, ?, ?, 1, ?, 0, NULL, NULL) ON CONFLICT (name) DO UPDATE SET data = excluded.data, "
    "paused = excluded.paused, note = excluded.note, revision = schedules.revision + 1"
)
DELETE_SCHEDULE = "DELETE FROM schedules WHERE name = ? RETURNING name"
NOTE_START = "UPDATE schedules SET last_ms = ?, last_run = ?, error = ? WHERE name = ? AND last_ms <= ?"

# Deleting -----------------------------------------------------------------------------------------------------------

_REFERS = "substr({}, 1, 9) = '{{\"$blob\":'"
BLOBS_OF = (
    f"SELECT data FROM entries WHERE id > ? AND id < ? AND {_REFERS.format('data')} "
    f"UNION ALL SELECT payload FROM commands WHERE id > ? AND id < ? AND {_REFERS.format('payload')} "
    f"UNION ALL SELECT detail FROM nodes WHERE run = ? AND {_REFERS.format('detail')} "
    f"UNION ALL SELECT error FROM runs WHERE id = ? AND {_REFERS.format('error')}"
)
DELETE_SPANS = ("DELETE FROM entries WHERE id > ? AND id < ?", "DELETE FROM commands WHERE id > ? AND id < ?")
DELETE_OF_RUN = (
    "DELETE FROM nodes WHERE run = ?",
    "DELETE FROM snapshots WHERE run = ?",
    "DELETE FROM log_lines WHERE run = ?",
    DELETE_MARKS,
    "DELETE FROM task_cache WHERE run = ?",
    "DELETE FROM tickets WHERE run = ?",
    "DELETE FROM runs WHERE id = ?",
)
LOCK_BLOB = "SELECT sha256 FROM blobs WHERE sha256 = ? /* FOR UPDATE */"
_UNNAMED = " ".join(
    f"AND NOT EXISTS (SELECT 1 FROM {table} WHERE {column} = ? AND {_REFERS.format(column)})"
    for table, column in (("entries", "data"), ("commands", "payload"), ("nodes", "detail"), ("runs", "error"))
)
_NO_SOURCE = "AND NOT EXISTS (SELECT 1 FROM sources WHERE data LIKE ?)"
DELETE_BLOB = f"DELETE FROM blobs WHERE sha256 = ? {_UNNAMED} {_NO_SOURCE} RETURNING size_bytes"

REVISION = "SELECT version_num FROM alembic_version"
STAMP = "INSERT INTO alembic_version (version_num) VALUES (?)"
