"""What goes to another process by value, and what must be found again by rendering."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import BaseModel

from smithers import Task, call
from smithers.engine.payload import payload


class Out(BaseModel):
    n: int = 0


def named(n: int = 0) -> Out:
    return Out(n=n)


def kept() -> Out:
    return Out(n=1)


first_kept = kept
globals()["kept"] = lambda: Out(n=2)


class Home:
    @staticmethod
    def static() -> Out:
        return Out()


def fn(function: Callable[..., Any], *args: Any) -> Any:
    return payload(Task("t", output=Out)[call(function, *args)], {})["fn"]


@pytest.mark.feature("task.mode.compute")
def test_a_named_function_goes_by_its_name_with_plain_arguments() -> None:
    assert fn(named, 3) == f"{__name__}:named"
    assert fn(Home.static) == f"{__name__}:Home.static"


@pytest.mark.parametrize("argument", [Out(), object(), (1, 2), {1: 2}, {"a": {3}}])
@pytest.mark.feature("task.mode.compute")
def test_arguments_that_json_would_change_are_found_by_rendering(argument: object) -> None:
    assert fn(named, argument) is None


@pytest.mark.feature("task.mode.compute")
def test_functions_that_their_name_does_not_lead_back_to_are_found_by_rendering() -> None:
    free = 3

    assert fn(lambda: Out(n=free)) is None
    assert fn(lambda: named(1)) is None
    assert fn(first_kept) is None
