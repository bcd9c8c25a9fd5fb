"""Which scenario stores which kind of fact.

A new kind of fact gets its line here. Where no scenario stores it, write one: its tree is a method of `Trees`
(`tests/flows/crashed.py`), and what people do in it, if they do more than answer, a function in `acts.py`. A test
without a server fails while a kind is missing, another one where the scenario does not store what it is named for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from smithers.engine.entry import Kind

STORED_IN: Final[Mapping[Kind, str]] = {
    "started": "sequence",
    "continued": "handed_over",
    "carried": "handed_over",
    "frame": "sequence",
    "claim": "sequence",
    "launched": "subflow",
    "ended": "sequence",
    "decided": "approval",
    "voted": "approval",
    "fired": "timer",
    "cancel": "cancelled",
    "died": "settled",
    "released": "released",
    "settled": "settled",
    "render_failed": "unrendered",
    "follow": "followed",
    "resumed": "resumed",
    "retried": "retried",
    "redriven": "redriven",
    "signal": "event",
    "paused": "paused",
    "unpaused": "paused",
    "amended": "amended",
    "rejected": "refused",
    "admitted": "shared",
    "withdrawn": "reminded",
    "delegated": "reminded",
    "reminded": "reminded",
    "escalated": "reminded",
}
