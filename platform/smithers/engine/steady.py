"""Whether a function used as a child renders the same each time it is called with the same state.

It is called again whenever something that it has read changes, and in each process that takes the run over. Were an id
another one then, the task under it would be withdrawn and begin anew under the other: an effect would happen twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from smithers.errors import RenderError
from smithers.flow.element import Element, Node
from smithers.flow.where import Where, show


def check_steady(first: Iterable[Node], second: Iterable[Node], where: Where) -> None:
    """Raises `RenderError` unless two renderings of a part have the same nodes."""
    one, other = list(names(first)), list(names(second))
    if one == other:
        return
    gone = next((name for name in one if name not in other), None)
    new = next((name for name in other if name not in one), None)
    told = f"{gone} is there once and not the next time" if gone else f"{new} is only there the next time"
    raise RenderError(
        f"The function at {show(where)} renders something else each time it is called: {told}. Make what it renders of "
        "the input and of outputs; not of the clock, random numbers or uuids, nor of what a call changes or uses up, "
        "such as a generator.",
        code="UNSTABLE_ID",
    )


def names(nodes: Iterable[Node]) -> Iterator[str]:
    """What tells the nodes of a tree apart, in its order."""
    for node in nodes:
        if isinstance(node, Element):
            id: str = getattr(node, "id", "")
            yield f"{type(node).__name__}({id!r})" if id else type(node).__name__
            yield from names(node.children)
        else:
            yield f"the function at {show(node.where)}"
