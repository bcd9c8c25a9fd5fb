"""Reads of outputs while an author's function renders: they find the value, or suspend, and are written down."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import from_json, to_json

from smithers.engine.entry import node_key, split_node_key
from smithers.engine.mounts import Missing
from smithers.engine.scope import OUTSIDE, Scope, resolve
from smithers.engine.state import Path, State, path_of
from smithers.errors import RenderError
from smithers.flow.context import RENDERING, AnyContext
from smithers.flow.stored import read_back
from smithers.flow.where import Where, author_line, show

M = TypeVar("M", bound=BaseModel)


class Misread(RenderError):
    """An output is read with a model that it does not fit."""


class Suspended(BaseException):
    """A part reads what is not there yet. Not an `Exception`, so that an author's `except` does not swallow it."""

    def __init__(self, missing: Missing) -> None:
        self.missing = missing
        super().__init__(f"{missing.node} has no output yet")


class Skipped(BaseException):
    """A part reads what will never be there: it renders to nothing."""


@dataclass(slots=True)
class Reads:
    """Implements `flow.context.Reader` over a state. One per planner; `during` says who reads."""

    state: State
    home: Callable[[str], str | None]
    """The loops around a node id, or None while it was never mounted."""
    scope: Scope = OUTSIDE
    noted: dict[str, None] = field(default_factory=dict[str, None])
    values: dict[tuple[str, type[BaseModel]], tuple[Any, Any, Any]] = field(
        default_factory=dict[tuple[str, type[BaseModel]], tuple[Any, Any, Any]]
    )
    """Outputs that were validated already: as stored, the one that is handed out, and one that nobody else holds."""
    rendering: bool = False
    context: AnyContext | None = None
    """What `use_context` gives while something renders."""

    @contextmanager
    def during(self, scope: Scope, noted: dict[str, None]) -> Generator[None]:
        before = self.scope, self.noted, self.rendering
        self.scope, self.noted, self.rendering = scope, noted, True
        token = RENDERING.set(self.context)
        try:
            yield
        finally:
            RENDERING.reset(token)
            self.scope, self.noted, self.rendering = before

    def output(self, model: type[M], node: str, iteration: int | str | None) -> M:
        key = self.key(node, iteration)
        found = None if key is None else self.find(model, key)
        if found is not None:
            return found
        if key is not None and key in self.state.absent:
            raise Skipped
        where = "" if key is None else key.rpartition(":")[2]
        raise Suspended(Missing(node, where, model.__name__, author_line()))

    def output_maybe(self, model: type[M], node: str, iteration: int | str | None) -> M | None:
        key = self.key(node, iteration)
        return None if key is None else self.find(model, key)

    def latest(self, model: type[M], node: str, within: Path = ()) -> M | None:
        """`within` is the pass of outer loops that is meant."""
        self.note(node)
        path = self.state.finished.get((node, within))
        return None if path is None else self.find(model, node_key(node, ".".join(map(str, path))))

    def iteration_count(self, node: str, within: Path = ()) -> int:
        self.note(node)
        if not within:
            return self.state.counts.get(node, 0)
        mine = (split_node_key(key) for key, memory in self.state.nodes.items() if memory.has_output)
        return sum(name == node and path_of(turn)[: len(within)] == within for name, turn in mine)

    def wait_for(self, node: str, where: Where) -> None:
        """Suspends the part until the node is over."""
        key = self.key(node, None)
        memory = None if key is None else self.state.nodes.get(key)
        if key in self.state.absent or (memory is not None and memory.has_output):
            return
        raise Suspended(Missing(node, "" if key is None else split_node_key(key)[1], "a dependency", where))

    def iterations(self) -> dict[str, int]:
        return dict(zip(self.scope.loops, self.scope.path, strict=True))

    def key(self, node: str, iteration: int | str | None) -> str | None:
        self.note(node)
        if iteration is not None:
            return node_key(node, str(iteration))
        found = resolve(self.state, self.home(node) or "", node, self.scope)
        return None if found is None else node_key(node, found)

    def note(self, node: str) -> None:
        if not self.rendering:
            raise RenderError(
                f"An output of {node!r} is read at {show(author_line())}, outside of rendering: read it in the "
                "workflow function or in a function used as a child, and hand it over with call(fn, value) or deps.",
                code="CONTEXT_OUTSIDE_WORKFLOW",
            )
        self.noted[node] = None

    def find(self, model: type[M], key: str) -> M | None:
        memory = self.state.nodes.get(key)
        if memory is None or not memory.has_output or key in self.state.absent:
            return None
        known = self.values.get((key, model))
        if known is None or known[0] is not memory.output or known[1] != known[2]:
            # an author may change what was read, for this rendering; what is read next is what was stored
            one, other = fresh(model, memory.output, key), fresh(model, memory.output, key)
            known = self.values[key, model] = memory.output, one, other
        return known[1]


def fresh(model: type[M], output: Any, key: str) -> M:
    """Shares nothing with the state, whatever the model lets through as it is."""
    return validated(model, from_json(to_json(output)), key)


def validated(model: type[M], output: Any, key: str, where: Where | None = None) -> M:
    """Raises `RenderError` with the line of who reads it, which for a task's `deps` is the task's, `where`."""
    try:
        return read_back(model, output)
    except ValidationError as error:
        place = show(where or author_line())
        raise Misread(
            f"The output of {key.rpartition(':')[0]!r} is read as {model.__name__} at {place}, but "
            f"it does not fit: {error.errors()[0]['msg']} ({'.'.join(map(str, error.errors()[0]['loc']))}). "
            "Read it with the model that its task names as output."
        ) from error
