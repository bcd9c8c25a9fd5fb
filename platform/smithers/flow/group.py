"""Groups say in which order their children run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, get_args

from smithers.flow.deadline import Timed
from smithers.flow.element import Bracketed, Child, Fragment, Node, Written, check_condition, is_count, normalized
from smithers.flow.queue import Queue
from smithers.flow.where import invalid


@dataclass(frozen=True, slots=True, kw_only=True)
class Sequence(Timed, metaclass=Bracketed):
    """Its children run one after another (components-sequence)."""

    id: str = ""
    """Only its `timeout` needs one, and only where the first child is a function."""
    skip_if: bool = False

    def __post_init__(self) -> None:
        self.check_timeout()


@dataclass(frozen=True, slots=True, kw_only=True)
class Parallel(Timed, metaclass=Bracketed):
    """Its children run at the same time (components-parallel).

    `max_concurrency` caps the tasks in flight below it, in source order. After a failure running tasks finish and
    keep their outputs, nothing new starts, then the group fails; with `fail_fast` running tasks are cancelled.
    """

    id: str = ""
    max_concurrency: int | None = None
    fail_fast: bool = False
    skip_if: bool = False

    def __post_init__(self) -> None:
        self.check_timeout()
        if not (self.max_concurrency is None or is_count(self.max_concurrency)):
            raise invalid(
                f"{type(self).__name__}(max_concurrency={self.max_concurrency!r}): give 1 or more, or None for no cap."
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeQueue(Parallel):
    """A parallel group that runs one task at a time unless it is told otherwise (components-merge-queue).

    Whose turn it is follows the order of the tree: a lane that has begun goes on before the next one begins, except
    while it waits for a person or a time. Caps of groups around it hold too.

    Alone it orders the tasks of one run. With `shared="name"` these wait for a turn in the queue of that name besides,
    which they share with all runs of the store and in which `max_concurrency` is the limit (None: as the project's
    configuration says). At most so many tasks of a run stand in the queue, so that runs take turns in it.
    """

    max_concurrency: int | None = 1
    shared: str | None = None

    def __post_init__(self) -> None:
        super(MergeQueue, self).__post_init__()
        if self.shared is not None:
            Queue(self.shared, self.max_concurrency)  # it refuses what cannot be

    @property
    def queue(self) -> Queue | None:
        return None if self.shared is None else Queue(self.shared, self.max_concurrency)


def Branch(condition: object, *, then: Child, otherwise: Child = None, skip_if: bool = False) -> Fragment:  # noqa: N802  reads as an element
    """One of two paths (components-branch): `then` if the condition holds, else `otherwise`.

    The condition is looked at whenever the part around it renders. With `skip_if` neither path is there.
    """
    check_condition(condition, "Branch: its condition")
    check_condition(skip_if, "Branch: skip_if")
    if skip_if:
        return Fragment()
    chosen: tuple[Node, ...] = tuple(normalized(then if condition else otherwise, "Branch"))
    return Fragment(children=chosen)


@dataclass(frozen=True, slots=True)
class Rule(metaclass=Written):
    """One line of a `DecisionTable`: what to do when something holds."""

    when: object
    """Looked at when the part around the table renders; whatever is true."""
    then: Child
    label: str = ""
    """For readers of the source."""

    def __post_init__(self) -> None:
        check_condition(self.when, "Rule: when")


Strategy = Literal["first-match", "all-match"]


def DecisionTable(  # noqa: N802  reads as an element
    rules: Iterable[Rule],
    *,
    default: Child = None,
    strategy: Strategy = "first-match",
    id: str = "",
    skip_if: bool = False,
) -> Fragment:
    """Does what the first rule says that holds, or what all of them say at the same time (components-decision-table).

    With `strategy="all-match"` the rules that hold are a `Parallel`. When none holds it is `default`, or nothing. Like
    a `Branch`, the table is looked at whenever the part around it renders. Raises `InvalidElement` for what is no rule.
    """
    check_condition(skip_if, "DecisionTable: skip_if")
    if strategy not in get_args(Strategy):
        raise invalid(f"DecisionTable: strategy={strategy!r}: use first-match or all-match.")
    if skip_if:
        return Fragment()
    paths = [path for rule in rules for path in matching(rule)]
    if strategy == "all-match" and paths:
        return Fragment(children=(Parallel(id=id, children=tuple(Sequence(children=path) for path in paths)),))
    return Fragment(children=paths[0] if paths else tuple(normalized(default, "DecisionTable(default=...)")))


def matching(rule: Rule) -> Iterator[tuple[Node, ...]]:
    """The children of a rule if it holds. They are looked at in any case, so that a slip does not wait for its day."""
    if not isinstance(rule, Rule):  # pyright: ignore[reportUnnecessaryIsInstance]  an author may be wrong
        raise invalid(f"DecisionTable got {rule!r:.60} as a rule: write Rule(when=..., then=...).")
    children = tuple(normalized(rule.then, "Rule(then=...)"))
    if rule.when:
        yield children
