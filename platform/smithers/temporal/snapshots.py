"""Writes down the state of long runs now and then, so that a process which takes one over need not fold all of its log.

A snapshot costs as much as the run has nodes, and saves folding what the log has grown by. So the longer a run, the
more its log must grow until the next one: what snapshots cost per entry stays the same, and a cold start folds a
fraction of the log at most.
"""

from __future__ import annotations

import logging
import threading
from typing import Final

from smithers.engine.fold import VERSION
from smithers.engine.snapshot import pack
from smithers.engine.state import State
from smithers.errors import SmithersError
from smithers.store.interface import Store
from smithers.store.states import newest_state
from smithers.store.texts import dumps
from smithers.temporal.resting import collector_rests

log = logging.getLogger(__name__)
EVERY: Final = 2000
NODES_PER_ENTRY: Final = 5
"""A run with many nodes: its log must have grown by an entry for each five of them."""


class Snapshots:
    """Of all runs that a process plans for. `write` is called by one thread at a time for each run."""

    def __init__(self, store: Store, *, every: int = EVERY, aside: bool = True) -> None:
        self._store = store
        self._every = every
        self._aside = aside
        """Whether compressing and storing happens on a thread of its own."""

    def load(self, run_id: str) -> State | None:
        """The newest one. None where there is none, or none that can be read: then the log is folded."""
        return newest_state(self._store, run_id)

    def is_due(self, state: State, last: int) -> bool:
        """`last` is the position of the newest snapshot, 0 if there is none."""
        return state.position - last >= max(self._every, len(state.nodes) // NODES_PER_ENTRY)

    def write(self, state: State) -> None:
        """The state is a fold of the log. It is read before this returns."""
        with collector_rests():
            text = dumps(pack(state))
        if self._aside:
            threading.Thread(target=self._store_it, args=(state.run_id, state.position, text), daemon=True).start()
        else:
            self._store_it(state.run_id, state.position, text)

    def _store_it(self, run_id: str, position: int, text: bytes) -> None:
        try:
            self._store.write_snapshot(run_id, position, VERSION, text)
        except SmithersError as error:
            log.info("no snapshot of run %r at %d: %s", run_id, position, error)
