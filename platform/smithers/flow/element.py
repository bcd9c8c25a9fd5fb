"""Elements are immutable values: `Component(props)[children]`. Every call and every bracket returns a new one.

The shape is htpy's: nothing is shared or changed, so that one element can stand in two trees and a function that
returns elements can be called again at any time. Children are looked at where they are written, because an error
there names the author's line; at render time the line is gone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cache
from inspect import CO_ASYNC_GENERATOR, CO_COROUTINE
from types import FunctionType
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar, cast

from smithers.flow.props import is_taken_for_true, wrong_kind, wrong_props
from smithers.flow.where import Where, author_line, invalid

Child = Any
"""An element, a function that returns children, None, False, or an iterable of these.

It cannot be spelled out: a recursive union of callables and iterables makes type checkers blame the wrong argument.
"""
ASYNC: Final = CO_COROUTINE | CO_ASYNC_GENERATOR
ID: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:/@+-]{0,199}")


class Written(type):
    """Calls for elements: what a component does not know, or has to be given, is refused by name where it is written.

    Python's own `TypeError` names it as well, but with the line of the platform that noticed, and without a guess. And
    Python takes any value for any property: a label that is a number would only be noticed when it is stored, and a
    function that was to be asked would always count as true.
    """

    if not TYPE_CHECKING:

        def __call__(cls, *given: Any, **props: Any) -> Any:
            try:
                made = type.__call__(cls, *given, **props)
            except TypeError as error:
                wrong = wrong_props(cls, given, props) or wrong_kind(cls, given, props)
                if wrong is None:
                    raise
                raise wrong from error
            if "where" not in props and (wrong := wrong_kind(cls, given, props)):  # with a line, it is a changed copy
                raise wrong
            return made


@dataclass(frozen=True, slots=True, kw_only=True)
class Element(metaclass=Written):
    """A node of the tree that an author returns."""

    children: tuple[Node, ...] = ()
    where: Where = field(default_factory=author_line, compare=False, repr=False)

    def __getitem__(self, children: Child) -> Self:
        return replace(self, children=tuple(normalized(children, type(self).__name__)))


@cache
def slots_of(kind: type[Element]) -> tuple[tuple[Callable[[Any], Any], Callable[[Any, Any], None]], ...]:
    """How each field of a kind of element is read and written, past its being frozen."""
    slots: list[Any] = [getattr(kind, one.name) for one in fields(kind)]
    return tuple((slot.__get__, slot.__set__) for slot in slots)


def with_fields(element: E, **changes: object) -> E:
    """A copy with other values, which nothing checks again: for fields that the element's own checks do not look at.

    It costs a tenth of `replace`, and each rendering of a workflow gives every task its body."""
    made = object.__new__(type(element))
    for get, put in slots_of(type(element)):
        put(made, get(element))
    for name, value in changes.items():
        object.__setattr__(made, name, value)
    return made


@dataclass(frozen=True, slots=True)
class Part:
    """A function used as a child: it renders when it can, and waits for the outputs it reads when it cannot."""

    function: Callable[..., Child]
    captured: tuple[tuple[str, int], ...]
    """Free variables with the identity of what they held here: a later change means late binding."""
    where: Where = field(default_factory=author_line, compare=False, repr=False)


Node = Element | Part
E = TypeVar("E", bound=Element)


class Bracketed(Written):
    """Lets `Sequence[a, b]` stand for `Sequence()[a, b]`."""

    def __getitem__(cls: type[E], children: Child) -> E:  # pyright: ignore[reportGeneralTypeIssues]
        return cls()[children]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fragment(Element, metaclass=Bracketed):
    """Several children where one is expected; they belong to the group around them."""


def captured(function: Callable[..., Any]) -> tuple[tuple[str, int], ...]:
    """The free variables of a function and what they hold now."""
    if not isinstance(function, FunctionType) or not function.__closure__:
        return ()
    cells = zip(function.__code__.co_freevars, function.__closure__, strict=True)
    return tuple((name, id(cell.cell_contents)) for name, cell in cells if not is_empty(cell))


def is_empty(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018  reading is the test
    except ValueError:
        return True
    return False


def normalized(child: Child, parent: str, where: Where | None = None) -> Iterator[Node]:
    """Flattens what an author may write as children. Raises `InvalidElement` for what is none.

    `where` is the line to blame; without it, the author's line that calls.
    """
    match child:
        case None | False:
            return
        case Fragment():
            yield from child.children
        case Element() | Part():
            yield child
        case str() | bytes() | dict():
            raise invalid(f"{parent} got {child!r:.60} as a child; text and data belong inside a Task.", where)
        case _ if isinstance(child, type):
            name = child.__name__
            raise invalid(f"{parent} got the class {name} as a child: write {name}(...).", where)
        case _ if hasattr(child, "__origin__"):
            raise invalid(
                f"{parent} got {child!r:.60} as a child, which is a type: where it was to be an element, its name is "
                "imported from somewhere else, too.",
                where,
            )
        case _ if isinstance(child, Iterable):
            for one in cast("Iterable[Child]", child):
                yield from normalized(one, parent, where)
        case _ if type(child).__module__ == "smithers.flow.workflow":
            raise invalid(f'{parent} got a workflow as a child: write Subflow("id", workflow=..., output=...).', where)
        case _ if callable(child):
            check_not_async(child, f"A child of {parent}")
            yield Part(child, captured(child))
        case _ if hasattr(child, "cr_frame"):
            child.close()
            raise invalid(f"{parent} got a coroutine as a child: rendering waits for nothing; write `def`.", where)
        case _:
            raise invalid(
                f"{parent} got {child!r:.60} as a child: "
                "children are elements, functions that return elements, None, False, or iterables of these.",
                where,
            )


def check_not_async(function: object, what: str) -> None:
    """Raises `InvalidElement` for an async function: what it returns is no answer, and nothing waits for it."""
    if isinstance(function, FunctionType) and function.__code__.co_flags & ASYNC:
        raise invalid(
            f"{what} is an async function, but rendering waits for nothing: write `def`, and await in a Task."
        )


def check_condition(value: object, what: str) -> None:
    """Raises `InvalidElement` for a function: it is not called here, and would always count as true."""
    if is_taken_for_true(value):
        raise invalid(
            f"{what} is {value!r:.60}, which is not called and would always count as true: give what it returns."
        )


def is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def check_id(id: object, component: str) -> None:
    """Raises `InvalidElement` unless `id` can name a node in keys, paths and commands."""
    if not isinstance(id, str) or not ID.fullmatch(id):
        code = "TASK_ID_REQUIRED" if component == "Task" and not id else "INVALID_ELEMENT"
        raise invalid(
            f"{component}({id!r}): an id is 1 to 200 letters, digits or any of _ . : / @ + -, "
            "and starts with a letter, digit or underscore.",
            code=code,
        )


def check_upstream(depends_on: object, needs: object, what: str) -> None:
    """Raises `InvalidElement` unless they name other nodes: a list of ids, and names with ids."""
    if depends_on == () and needs == {}:  # as most are
        return
    if isinstance(depends_on, str) or not isinstance(depends_on, list | tuple):
        raise invalid(f"{what}: depends_on={depends_on!r:.60}: give a list of ids, such as ['build'].")
    if not isinstance(needs, Mapping):
        raise invalid(f"{what}: needs={needs!r:.60}: give names with ids, such as {{'draft': 'write'}}.")
    ids: list[object] = [*depends_on, *cast("Mapping[object, object]", needs).values()]
    for id in ids:
        if not isinstance(id, str) or not id:
            raise invalid(f"{what} depends on {id!r:.60}: give the id of a node, as text.")


def check_json(value: Mapping[str, Any], what: str) -> None:
    """Raises `InvalidElement` unless people and programs can be shown it."""
    if not value:
        return
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise invalid(f"{what} is not JSON: {error}.") from None
