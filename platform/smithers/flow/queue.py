"""A queue that tasks of all runs share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from smithers.flow.element import Written
from smithers.flow.where import invalid

LONGEST_NAME: Final = 100


@dataclass(frozen=True, slots=True)
class Queue(metaclass=Written):
    """At most `limit` tasks of the queue run at the same time, over all runs of the store: `Queue("deploys", limit=2)`.

    Without a limit it is what the project's configuration says (`[queues]` in `smithers.toml`), or 1. Raises
    `InvalidElement` for an empty name and a limit below 1.
    """

    name: str
    limit: int | None = None

    def __post_init__(self) -> None:
        name: Any = self.name
        limit: Any = self.limit
        if not isinstance(name, str) or not name.strip() or len(name) > LONGEST_NAME or not name.isprintable():
            raise invalid(f"Queue({name!r:.120}): give it a name of 1 to {LONGEST_NAME} letters, such as 'deploys'.")
        if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 1):
            raise invalid(
                f"Queue({name!r}, limit={limit!r}): give 1 or more: so many of its tasks run at the same time."
            )


def as_queue(given: object, what: str) -> Queue:
    """A queue as an author may write it: `Queue(...)`, or its name."""
    if isinstance(given, Queue):
        return given
    if isinstance(given, str):
        return Queue(given)
    raise invalid(f"{what}: queue={given!r:.60}: give a name, or Queue(name, limit=...).")
