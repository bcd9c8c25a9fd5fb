"""Lines that tasks have written."""

from __future__ import annotations

from smithers.cli.times import iso
from smithers.cli.views.nodes import shown_iteration
from smithers.engine.entry import Json
from smithers.store.records import LogLine


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
