"""The state that a run had when its newest snapshot was written."""

from __future__ import annotations

import logging

from smithers.engine.fold import VERSION
from smithers.engine.snapshot import unpack
from smithers.engine.state import State
from smithers.store.interface import Store
from smithers.store.texts import loads

log = logging.getLogger(__name__)


def newest_state(store: Store, run_id: str) -> State | None:
    """None where there is no snapshot, or none that can be read: then the log is folded."""
    found = store.snapshot(run_id, VERSION)
    if found is None:
        return None
    try:
        state = unpack(loads(found[1]))
    except (KeyError, TypeError, ValueError) as error:
        log.warning("the snapshot of run %r at %d cannot be read, folding its log: %s", run_id, found[0], error)
        return None
    return state if state.run_id == run_id and state.position == found[0] else None
