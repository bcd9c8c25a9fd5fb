"""Elements are immutable values: `Component(props)[children]`. Every call and every bracket returns a new one.

The shape is htpy's: nothing is shared or changed, so that one element can stand in two trees and a function that
returns elements can be called again at any time. Children are looked at where they are written, because an error
there names the author's line; at render time the line is gone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from types import FunctionType
from typing import Any, Final, Self, TypeVar, cast

from smithers.flow.where import Where, author_line, invalid

Child = Any
"""An element, a function that returns children, None, False, or an iterable of these.

It cannot be spelled out: a recursive union of callables and iterables makes type checkers blame the wrong argument.
"""
ID: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:/@+-]{0,199}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Element:
    """A node of the tree that an author returns."""

    children: tuple[Node, ...] = ()
    where: Where = field(default_factory=author_line, compare=False, repr=False)

    def __getitem__(self, children: Child) -> Self:
        return replace(self, children=tuple(normalized(children, type(self).__name__)))


@dataclass(frozen=True, slots=True)
class Part:
    """A function used as a child: it renders when it can, and waits for the outputs it reads when it cannot."""

    function: Callable[..., Child]
    captured: tuple[tuple[str, int], ...]
    """Free variables with the identity of what they held here: a later change means late binding."""
    where: Where = field(default_factory=author_line, compare=False, repr=False)


Node = Element | Part
E = TypeVar("E", bound=Element)


class Bracketed(type):
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
        case _ if isinstance(child, Iterable):
            for one in cast("Iterable[Child]", child):
                yield from normalized(one, parent, where)
        case _ if callable(child):
            yield Part(child, captured(child))
        case _:
            raise invalid(
                f"{parent} got {child!r:.60} as a child: "
                "children are elements, functions that return elements, None, False, or iterables of these.",
                where,
            )


def check_id(id: object, component: str) -> None:
    """Raises `InvalidElement` unless `id` can name a node in keys, paths and commands."""
    if not isinstance(id, str) or not ID.fullmatch(id):
        code = "TASK_ID_REQUIRED" if component == "Task" and not id else "INVALID_ELEMENT"
        raise invalid(
            f"{component}({id!r}): an id is 1 to 200 letters, digits or any of _ . : / @ + -, "
            "and starts with a letter, digit or underscore.",
            code=code,
        )
