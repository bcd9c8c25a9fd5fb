"""Properties that generated elements have now and then, of whatever kind they are."""

from __future__ import annotations

import random
from typing import Any
from zlib import crc32

from smithers import CachePolicy, RetryPolicy

Props = dict[str, Any]


def after(dice: random.Random, known: tuple[str, ...]) -> Props:
    """It waits for what another one brings."""
    if not known or dice.random() < 0.8:
        return {}
    id = dice.choice(known)
    return {"depends_on": [id]} if dice.random() < 0.5 else {"needs": {"before": id}}


def timely(props: Props) -> Props:
    """What has no time limit cannot be late."""
    if props["timeout"] is None:
        props["on_timeout"] = "fail"
    return props


def waiting(dice: random.Random) -> Props:
    """How an event is waited for."""
    props: Props = {
        "correlation_id": dice.choice([None, None, "c"]),
        "timeout": dice.choice([None, "1m", "2m"]),
        "on_timeout": dice.choice(["fail", "skip", "continue"]),
        "async_": dice.random() < 0.4,
        "skip_if": dice.random() < 0.05,
    }
    return timely(props)


def hidden(dice: random.Random) -> Props:
    return {"skip_if": True} if dice.random() < 0.03 else {}


def in_time(id: str) -> Props:
    """The approval of every other one that needs one is given for a time only."""
    if crc32(f"{id} in time".encode()) % 2 == 0:
        return {}
    late = ("fail", "skip", "approve")[crc32(f"{id} late".encode()) % 3]
    return {"approval_timeout": "1h", "on_approval_timeout": late}


def by_some(dice: random.Random, *, scopes: bool) -> Props:
    """Only some people may answer."""
    match dice.random():
        case chance if chance < 0.1:
            return {"allowed_users": ["ann", "bob", "tester"]}
        case chance if chance < 0.2 and scopes:
            return {"allowed_scopes": ["ops"]}
        case _:
            return {}


def of_attempts(dice: random.Random) -> Props:
    if dice.random() < 0.05:
        return {"no_retry": True}
    return {
        "retries": dice.choice([0, 0, 1]),
        "retry": dice.choice([RetryPolicy(), RetryPolicy("fixed", "10ms")]),
        "timeout": dice.choice([None, None, None, "30s", "2m"]),
        "cache": CachePolicy(by=None) if dice.random() < 0.05 else None,
    }
