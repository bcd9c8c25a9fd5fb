"""Hands a run over to a fresh one, which begins with what was carried (components-continue-as-new)."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast

from pydantic import BaseModel

from smithers.flow.element import Child, Element, check_id, check_json
from smithers.flow.nothing import nothing
from smithers.flow.where import invalid

LARGEST_BYTES: Final = 10 * 1024 * 1024
"""What may be carried, as JSON, with its envelope."""
ENVELOPE_BYTES: Final = 1024
"""Kept free for the envelope: the ids of two runs and some numbers."""
DEFAULT_ID: Final = "continue-as-new"


@dataclass(frozen=True, slots=True, kw_only=True)
class ContinueAsNew(Element):
    """Ends the run and starts a fresh one of the same workflow, with the same code and the same input.

    `ContinueAsNew({"cursor": 17})`: when its turn comes, nothing else begins, what is in flight is told to stop, blocks
    clean up, and the run ends as `continued`. The fresh run starts at once, without any output of this one; it reads
    what was carried with `ctx.carried(Model)`, or as `ctx.continuation.payload`. Events that nobody has taken go on
    with it.

    `state` is JSON, or a pydantic model: at most 10 MB with its envelope. Raises `InvalidElement` for anything else,
    with the place within it.
    """

    state: Any = field(default=None, kw_only=False)
    id: str = DEFAULT_ID
    """To be given where the tree has several."""
    label: str = ""
    """By default the id."""
    meta: Mapping[str, Any] = field(default_factory=nothing)
    size_bytes: int = field(default=0, init=False, repr=False)
    """Of the state as JSON."""

    def __post_init__(self) -> None:
        check_id(self.id, "ContinueAsNew")
        what = f"ContinueAsNew({self.id!r})"
        check_json(self.meta, f"{what}: meta")
        carried = self.state.model_dump(mode="json") if isinstance(self.state, BaseModel) else self.state
        object.__setattr__(self, "state", plain(carried, what, "state", ()))
        size = len(json.dumps(self.state, separators=(",", ":"), ensure_ascii=False).encode())
        if size + ENVELOPE_BYTES > LARGEST_BYTES:
            raise invalid(
                f"{what}: the state is {size:,} bytes as JSON, and with its envelope at most {LARGEST_BYTES:,} are "
                "carried: carry an id or a path, and keep the data where tasks can read it."
            )
        object.__setattr__(self, "size_bytes", size)
        if not self.label:
            object.__setattr__(self, "label", self.id)

    def __getitem__(self, children: Child) -> ContinueAsNew:
        raise invalid(f"ContinueAsNew({self.id!r}) takes no children: nothing comes after it in this run.")

    @property
    def skip_if(self) -> bool:
        """Always False: where it is not wanted it is not rendered."""
        return False

    def upstream(self) -> tuple[str, ...]:
        return ()


def continue_as_new(state: Any = None) -> ContinueAsNew:
    """The same as `ContinueAsNew(state)`."""
    return ContinueAsNew(state)


def plain(value: Any, what: str, path: str, around: tuple[int, ...]) -> Any:
    """A copy of the value, of which nobody else holds a part. Raises `InvalidElement` for what is no JSON."""
    match value:
        case None | bool():
            return value
        case int():
            return int(value)
        case float() if math.isfinite(value):
            return value
        case str():
            return checked_text(value, what, path)
        case dict() | list() | tuple():
            return within(cast("dict[Any, Any] | list[Any] | tuple[Any, ...]", value), what, path, around)
        case BaseModel():
            raise refused(what, path, value, "write .model_dump(mode='json')")
        case float():
            raise refused(what, path, value, "JSON knows finite numbers only")
        case _:
            raise refused(what, path, value, "carry text, numbers, truth values, None, lists and dicts of these")


def within(value: Any, what: str, path: str, around: tuple[int, ...]) -> Any:
    if id(value) in around:
        raise refused(what, path, value, "it holds itself")
    inside = (*around, id(value))
    if not isinstance(value, dict):
        return [plain(one, what, f"{path}[{index}]", inside) for index, one in enumerate(value)]
    found = cast("dict[object, Any]", value)
    for name in found:
        if not isinstance(name, str):
            raise refused(what, f"{path}, the key {name!r:.60}", name, "keys are texts")
    names = {checked_text(str(name), what, path): one for name, one in found.items()}
    return {name: plain(one, what, f"{path}.{name}", inside) for name, one in names.items()}


def checked_text(value: str, what: str, path: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise refused(what, path, value, "half of a surrogate pair is no text") from None
    return str(value)


def refused(what: str, path: str, value: object, why: str) -> Exception:
    return invalid(f"{what}: {path} is not JSON: {value!r:.60} ({type(value).__name__}): {why}.")
