"""What an element has where a mapping was not given: one for all, as there may be thousands of elements."""

from __future__ import annotations

from typing import Any, Final, NoReturn


class Nothing(dict[str, Any]):
    """An empty dictionary that stays empty."""

    __slots__ = ()

    def refuse(self, *_: object, **__: object) -> NoReturn:
        raise TypeError("this mapping belongs to all elements that were not given one: give the element its own")

    __setitem__ = __ior__ = setdefault = update = refuse  # type: ignore[assignment]


NOTHING: Final = Nothing()


def nothing() -> Any:
    return NOTHING
