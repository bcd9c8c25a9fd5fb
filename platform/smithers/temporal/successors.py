"""The run that goes on for one that continues as new, as it is to be made."""

from __future__ import annotations

import time

from smithers.engine.entry import Json
from smithers.engine.handover import id_after, kept, link
from smithers.engine.state import State
from smithers.store.records import NewRun, Run


def successor(run: Run, state: State) -> NewRun:
    """The same workflow, code, input, options and tags. The idempotency key stays with the first run."""
    about = link(state)
    return NewRun(
        id_after(about),
        run.workflow,
        state.input,
        run.digest,
        run.source,
        with_time_left(run, state.options),
        run.tags,
        parent=state.parent,
        continues=about,
        kept=kept(state),
    )


def with_time_left(run: Run, options: Json) -> Json:
    """A child's time limit is one for all the runs that stand for its node."""
    limit_ms = options.get("timeout_ms") or 0
    if not limit_ms:
        return options
    gone_ms = time.time_ns() // 1_000_000 - run.created_ms
    return {**options, "timeout_ms": max(1, limit_ms - gone_ms)}
