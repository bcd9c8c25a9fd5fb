"""Groups say in which order their children run."""

from __future__ import annotations

from dataclasses import dataclass

from smithers.flow.element import Bracketed, Child, Element, Fragment, Node, normalized
from smithers.flow.where import invalid


@dataclass(frozen=True, slots=True, kw_only=True)
class Sequence(Element, metaclass=Bracketed):
    """Its children run one after another (components-sequence)."""

    skip_if: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Parallel(Element, metaclass=Bracketed):
    """Its children run at the same time (components-parallel).

    `max_concurrency` caps the tasks in flight below it, in source order. After a failure running tasks finish and
    keep their outputs, nothing new starts, then the group fails; with `fail_fast` running tasks are cancelled.
    """

    id: str = ""
    max_concurrency: int | None = None
    fail_fast: bool = False
    skip_if: bool = False

    def __post_init__(self) -> None:
        if self.max_concurrency is not None and self.max_concurrency < 1:
            raise invalid(f"Parallel(max_concurrency={self.max_concurrency}): give 1 or more, or None for no cap.")


def Branch(condition: object, *, then: Child, otherwise: Child = None) -> Fragment:  # noqa: N802  reads as an element
    """One of two paths (components-branch): `then` if the condition holds, else `otherwise`.

    The condition is looked at whenever the part around it renders.
    """
    chosen: tuple[Node, ...] = tuple(normalized(then if condition else otherwise, "Branch"))
    return Fragment(children=chosen)
