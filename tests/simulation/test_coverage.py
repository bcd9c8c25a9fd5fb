"""The stories hold all there is: a new element, property or kind of fact that they do not generate fails here."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, Final, get_args

import pytest

import smithers
from smithers.engine.entry import Kind
from smithers.engine.tree import Tree
from smithers.flow.element import Element
from smithers.testing import InMemoryRun
from tests.simulation.editions import editions_of
from tests.simulation.processes import DIGEST, EDITED, UNSOUND
from tests.simulation.world import tell
from tests.unit.engine.trees import life

TREES: Final = range(400)
STORIES: Final = range(600)
ABSTRACT: Final = {"Element", "Fragment", "SagaStep"}
"""Not mounted by themselves: what children and steps become is."""
SHOWN: Final = {"label", "meta", "metadata", "summary", "title", "prompt", "where", "children", "captured", "body"}
"""For people only, or how an element keeps what it was given."""
ELSEWHERE: Final = {
    "Aspects": {"tracking", "task_latency"},  # what is told, and what is left of another property
    "HumanTask": {"allowed_scopes"},
    "MergeQueue": {"fail_fast", "id", "on_timeout", "skip_if", "timeout"},  # those of Parallel
    "Saga": {"steps"},  # another way to write its children
    "Subflow": {"cache", "deps", "estimate", "input", "isolated", "no_retry", "queue", "retry", "async_", "timeout"}
    | {"remind_after", "reminders", "escalate_after", "escalate_to", "escalate_to_scopes"},
}
"""Properties that other tests are about."""


def elements() -> Iterator[type[Element]]:
    for name in smithers.__all__ if hasattr(smithers, "__all__") else dir(smithers):
        found = getattr(smithers, name)
        if isinstance(found, type) and issubclass(found, Element) and is_dataclass(found) and name not in ABSTRACT:
            yield found


def given(element: Element) -> set[str]:
    """The properties that are not as they are by default."""
    found: set[str] = set()
    for one in fields(element):
        usual: Any = one.default if one.default is not MISSING else MISSING
        if one.default_factory is not MISSING:
            usual = one.default_factory()
        if usual is MISSING or getattr(element, one.name) != usual:
            found.add(one.name)
    return found


@pytest.mark.timeout(240)
def test_every_element_is_generated_with_every_property(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: defaultdict[type, set[str]] = defaultdict(set)
    mount = Tree.mount

    def noting(self: Tree, child: Any, parent: Any, index: int) -> Any:
        if isinstance(child, Element):
            seen[type(child)] |= given(child)
        return mount(self, child, parent, index)

    monkeypatch.setattr(Tree, "mount", noting)
    for seed in TREES:
        life(seed, grow=lambda seed: editions_of(seed, (DIGEST, EDITED, UNSOUND))[DIGEST], kind=InMemoryRun)
    wanted = {
        one: {each.name for each in fields(one)} - SHOWN - ELSEWHERE.get(one.__name__, set()) for one in elements()
    }
    missing = {one.__name__: sorted(names - seen[one]) for one, names in wanted.items() if names - seen[one]}
    assert not missing, f"never generated: {missing}"


@pytest.mark.timeout(600)
def test_every_kind_of_fact_is_stored_in_some_story() -> None:
    missing = set(get_args(Kind))
    for seed in STORIES:
        world = tell(seed)
        missing -= {entry.kind for entry in [*world.log, *world.following]}
        if not missing:
            return
    raise AssertionError(f"no story of {len(STORIES)} has {sorted(missing)}")
