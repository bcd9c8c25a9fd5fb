"""What is wrong with the properties that an element was given: names that it does not know, or has to be given, and
values that are no such thing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, fields
from difflib import get_close_matches
from functools import lru_cache
from typing import Any, Final

from smithers.errors import WrongProperty
from smithers.flow.where import author_line, show

INSTEAD: Final = {
    "every": "a timer fires once. Put it in a Loop, or start runs with `smithers cron`.",
    "continue_as_new_every": "give the loop max_iterations, and put ContinueAsNew(state) behind it in a Sequence.",
    "async": "`async` is a word of Python's own: write async_=True.",
}
"""Properties that are not there on purpose, and what to do."""
CODES: Final = {("Task", "id"): "TASK_ID_REQUIRED", ("Task", "output"): "TASK_MISSING_OUTPUT"}


@dataclass(frozen=True, slots=True)
class Kind:
    """What the value of a property is."""

    types: tuple[type, ...]
    said: str

    def takes(self, value: object) -> bool:
        return isinstance(value, self.types) and (bool in self.types or not isinstance(value, bool))


NONE: Final = type(None)
KINDS: Final = {
    "bool": Kind((bool,), "give True or False"),
    "int": Kind((int,), "give a whole number"),
    "int | None": Kind((int, NONE), "give a whole number, or None"),
    "float": Kind((int, float), "give a number"),
    "str": Kind((str,), "give a text"),
    "str | None": Kind((str, NONE), "give a text, or None"),
}
"""By annotation. What is more than that, its component checks itself."""


@lru_cache(maxsize=64)
def kinds_of(component: type[Any]) -> dict[str, Kind]:
    return {one.name: KINDS[one.type] for one in fields(component) if one.init and one.type in KINDS}


def wrong_kind(component: type[Any], given: tuple[object, ...], props: Mapping[str, object]) -> WrongProperty | None:
    """The error for the first property whose value is no such thing; None where all are."""
    kinds = kinds_of(component)
    for prop, value in props.items():
        kind = kinds.get(prop)
        if kind is not None and not kind.takes(value):
            note = ", which is not called and would always count as true" if is_taken_for_true(value) else ""
            return wrong(f"{named(component.__name__, given)}: {prop}={value!r:.60}{note}: {kind.said}")
    return None


def is_taken_for_true(value: object) -> bool:
    """Whether somebody meant what comes out of it, and got the thing itself: a function, a coroutine."""
    return callable(value) or hasattr(value, "cr_frame")


def wrong_props(component: type[Any], given: tuple[object, ...], props: Mapping[str, object]) -> WrongProperty | None:
    """The error for the first unknown or missing property; None where neither is what is wrong."""
    name = component.__name__
    known: dict[str, Field[Any]] = {one.name: one for one in fields(component) if one.init}
    for prop in props:
        if prop not in known:
            return wrong(f"{named(name, given)} has no property {prop!r}: {guess(prop, known)}")
    positional = [one for one in known.values() if not one.kw_only]
    if len(given) > len(positional):
        first = ", ".join(one.name for one in positional) or "none"
        return wrong(
            f"{name} got {len(given)} values without a name, but takes {len(positional)} ({first}): "
            f"write the others as name=value, and children in brackets, {name}(...)[children]."
        )
    told = {one.name for one in positional[: len(given)]} | set(props)
    for one in known.values():
        if one.name not in told and one.default is MISSING and one.default_factory is MISSING:
            code = {"code": CODES[name, one.name]} if (name, one.name) in CODES else {}
            return wrong(f"{named(name, given)} is missing its {one.name}: write {name}({example(one)})", **code)
    return None


def wrong(message: str, **data: str) -> WrongProperty:
    line = show(author_line())
    return WrongProperty(f"{message.rstrip('.')} ({line}).", where=line, **data)


def named(component: str, given: tuple[object, ...]) -> str:
    return f"{component}({given[0]!r:.60})" if given else component


def example(one: Field[Any]) -> str:
    return f"{one.name}=..." if one.kw_only else '"..."'


def guess(prop: str, known: Mapping[str, object]) -> str:
    """The nearest name that is known. The reference's own spelling, such as `dependsOn`, finds ours."""
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", prop).lower()
    if snake in INSTEAD:
        return INSTEAD[snake]
    public = [name for name in known if name not in ("children", "where", "captured", "body")]
    near = get_close_matches(snake.removesuffix("_ms"), public, 1) or get_close_matches(snake, public, 1)
    return f"did you mean {near[0]!r}?" if near else f"it has {', '.join(public)}."
