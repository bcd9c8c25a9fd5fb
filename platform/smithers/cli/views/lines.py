"""Lines that tasks have written."""

from __future__ import annotations

from smithers.engine.entry import Json
from smithers.store.records import LogLine
from smithers.views.nodes import shown_iteration
from smithers.views.times import iso


def line_wire(position: int, line: LogLine) -> Json:
    return {
        "seq": position,
        "at": iso(line.at_ms),
        "nodeId": line.node,
        "iteration": shown_iteration(line.iteration),
        "attempt": line.attempt,
        "stream": line.stream,
        "text": line.text,
    }
