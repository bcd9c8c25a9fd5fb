"""A list of things to do the same with, each under a key of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar, cast

from smithers.flow.element import ID, Child, Part, check_id
from smithers.flow.group import Parallel
from smithers.flow.where import invalid

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Each(Generic[T]):
    """One item of a `ForEach`, as its body gets it."""

    key: str
    value: T
    prefix: str

    def id(self, name: str) -> str:
        """The id of a node that belongs to this item: `files/readme.md/review`."""
        return f"{self.prefix}/{self.key}/{name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ForEach(Parallel, Generic[T]):
    """Runs its body for every item at the same time: `ForEach("files", items=found, key=name_of)[body]`.

    The body is a function of an `Each`; it names its nodes with `each.id("review")`. So a node belongs to its item's
    *key*, not to its position: items may be inserted, moved or removed while the run goes on, and what is done stays
    done. An item that disappears takes its tasks in flight with it. `key` gives text or a number that differs for each
    item; without it, items are a mapping by key, or are text or numbers themselves. `max_concurrency` and `fail_fast`
    are those of `Parallel`.
    """

    id: str = field(kw_only=False)
    items: Iterable[T] | Mapping[str, T]
    key: Callable[[T], object] | None = None

    def __post_init__(self) -> None:
        Parallel.__post_init__(self)
        check_id(self.id, "ForEach")
        if isinstance(self.items, str | bytes):
            raise invalid(f"ForEach({self.id!r}): items={self.items!r:.60} is one text: give a list or a mapping.")
        items: Any = self.items
        if not isinstance(items, Iterable):
            raise invalid(f"ForEach({self.id!r}): items={items!r:.60}: give a list or a mapping.")
        if self.key is not None and not callable(self.key):
            raise invalid(f"ForEach({self.id!r}): key={self.key!r:.60}: give a function of an item.")
        if not isinstance(self.items, Mapping):
            object.__setattr__(self, "items", tuple(self.items))

    def __getitem__(self, children: Callable[[Each[T]], Child]) -> ForEach[T]:
        body = cast("Child", children)
        if isinstance(body, type) or not callable(body):
            raise invalid(
                f"ForEach({self.id!r}) got {body!r:.60}: its body is a function of the item, "
                'such as `lambda each: Task(each.id("review"), ...)[call(review, each.value)]`.'
            )
        parts = (Part(bound(children, each), (), self.where) for each in self.each())
        return replace(self, children=tuple(parts))

    def each(self) -> list[Each[T]]:
        """The items with their keys. Raises `InvalidElement` for keys that are no ids, or that two items share."""
        found: dict[str, Each[T]] = {}
        for key, value in self.pairs():
            text = self.check_key(key, value)
            if text in found:
                raise invalid(
                    f"ForEach({self.id!r}): {found[text].value!r:.60} and {value!r:.60} have the same key, {text!r}. "
                    "A key tells items apart, also when their order changes: take something that differs.",
                    self.where,
                )
            found[text] = Each(text, value, self.id)
        return list(found.values())

    def pairs(self) -> Iterator[tuple[object, T]]:
        items: Any = self.items
        if isinstance(items, Mapping):
            yield from cast("Mapping[str, T]", items).items()
        else:
            yield from ((self.key_of(item), item) for item in cast("Iterable[T]", items))

    def key_of(self, item: T) -> object:
        if self.key is not None:
            return self.key(item)
        if isinstance(item, str | int):
            return item
        raise invalid(
            f"ForEach({self.id!r}): what is the key of {item!r:.60}? Items that are not text or numbers need key=..., "
            "a function of the item, or a mapping by key.",
            self.where,
        )

    def check_key(self, key: Any, value: T) -> str:
        text = str(key)
        if isinstance(key, bool) or not isinstance(key, str | int) or not ID.fullmatch(text):
            raise invalid(
                f"ForEach({self.id!r}): {key!r:.60} cannot be the key of {value!r:.60}: a key is a number, or text of "
                "1 to 200 letters, digits or any of _ . : / @ + - that starts with a letter, digit or underscore.",
                self.where,
            )
        return text


def bound(body: Callable[[Each[T]], Child], each: Each[T]) -> Callable[[], Child]:
    return lambda: body(each)
