"""A cache policy is looked at where it is written."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

from smithers import CachePolicy, Task, call
from smithers.errors import InvalidElement


class Out(BaseModel):
    n: int = 0


def work(n: int = 0) -> Out:
    return Out(n=n)


@pytest.mark.parametrize(
    ("write", "why"),
    [
        (lambda: CachePolicy(by="input.id"), "`by` is a function"),  # type: ignore[arg-type]
        (lambda: CachePolicy(version=2), "version=2"),  # type: ignore[arg-type]
        (lambda: Task("a", output=Out, cache=True), "write cache=CachePolicy"),  # type: ignore[arg-type]
        (lambda: Task("a", output=Out, cache=CachePolicy(by=lambda ticket: ticket)), "any of ctx, input"),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused_at_its_line(write: Any, why: str) -> None:
    with pytest.raises(InvalidElement, match=why) as refused:
        write()

    assert "test_cache.py:" in str(refused.value)


@pytest.mark.feature("cache.by")
def test_by_may_ask_for_the_context_the_input_and_the_deps_by_name() -> None:
    ticket = "t1"
    policy = CachePolicy(by=lambda ctx, input, plan, bound=ticket: bound)  # noqa: A006  its parameters are names

    Task("a", output=Out, deps={"plan": Out}, cache=policy)[work]

    with pytest.raises(InvalidElement, match="asks for 'plan'"):
        Task("a", output=Out, cache=policy)


def test_without_by_a_function_that_uses_what_is_around_it_is_refused() -> None:
    n = 3
    policy = CachePolicy()

    with pytest.raises(InvalidElement, match="uses n from around it"):
        Task("a", output=Out, cache=policy)[lambda: work(n)]

    Task("a", output=Out, cache=policy)[call(work, n)]
    Task("a", output=Out, cache=CachePolicy(by=lambda: n))[lambda: work(n)]
