"""A value is held against a model's JSON schema as the model itself would have it, as far as a schema can say."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field, ValidationError

from smithers.engine.form import problems
from smithers.engine.schema import complaints


class Colour(StrEnum):
    red = "red"
    blue = "blue"


class Part(BaseModel):
    name: Annotated[str, Field(min_length=2, max_length=5, pattern="^[a-z]+$")]
    share: Annotated[float, Field(gt=0, le=1)] = 0.5


class Form(BaseModel):
    count: Annotated[int, Field(ge=1, lt=10)]
    parts: Annotated[list[Part], Field(max_length=2)] = []
    colour: Colour = Colour.red
    how: Literal["fast", "slow"] = "fast"
    due: date | None = None
    more: dict[str, int] = {}
    either: int | str = 0
    pair: tuple[int, str] = (0, "")
    inner: Form | None = None


def told(value: Any) -> list[str]:
    return [str(problem) for problem in problems(Form.model_json_schema(), value)]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([], "the answer: should be an object, not a list"),
        ({}, "count: is missing"),
        ({"count": None}, "count: should be a whole number, not null"),
        ({"count": True}, "count: should be a whole number, not True"),
        ({"count": 0}, "count: should be 1 or more"),
        ({"count": 10}, "count: should be less than 10"),
        ({"count": 1, "cuont": 2}, "cuont: is no field of it: did you mean 'count'"),
        ({"count": 1, "parts": [{}]}, "parts.0.name: is missing"),
        ({"count": 1, "parts": [{"name": "a"}]}, "parts.0.name: should have at least 2 letters"),
        ({"count": 1, "parts": [{"name": "A1b"}]}, "parts.0.name: should match ^[a-z]+$"),
        ({"count": 1, "parts": [{"name": "ab", "share": 0}]}, "parts.0.share: should be more than 0"),
        ({"count": 1, "parts": [{"name": "ab"}] * 3}, "parts: should have at most 2 items"),
        ({"count": 1, "colour": "green"}, "colour: should be one of 'red', 'blue', not 'green'"),
        ({"count": 1, "how": "well"}, "how: should be one of 'fast', 'slow', not 'well'"),
        ({"count": 1, "due": 3}, "due: should be a text, not 3"),
        ({"count": 1, "more": {"a": "b"}}, "more.a: should be a whole number, not 'b'"),
        ({"count": 1, "either": []}, "either: should be a whole number, not a list"),
        ({"count": 1, "pair": [1, 2]}, "pair.1: should be a text, not 2"),
        ({"count": 1, "inner": {"count": "x"}}, "inner.count: should be a whole number, not 'x'"),
    ],
)
def test_a_problem_names_its_field_and_what_should_be_there(value: Any, expected: str) -> None:
    assert told(value) == [expected]


@pytest.mark.parametrize(
    "value",
    [
        {"count": 1},
        {"count": 9.0, "parts": [{"name": "abc", "share": 1}], "colour": "blue", "due": "2026-01-01"},
        {"count": 2, "more": {"any": 1}, "either": "x", "pair": [1, "x"], "inner": {"count": 3, "inner": None}},
    ],
)
def test_what_fits_has_no_problems(value: Any) -> None:
    Form.model_validate(value)

    assert told(value) == []


def test_all_problems_are_told_together() -> None:
    assert [problem.split(":")[0] for problem in told({"parts": 1, "how": 2})] == ["count", "parts", "how"]


def test_fields_that_are_not_there_are_told_in_the_order_they_were_given() -> None:
    names = ["zz", "aa", "mm", "bb"]

    assert [problem.split(":")[0] for problem in told({"count": 1, **dict.fromkeys(names, 1)})] == names


def test_what_is_wrong_itself_is_not_looked_into() -> None:
    value = {"count": 1, "parts": [{"name": 1}] * 3}

    assert told(value) == ["parts: should have at most 2 items"]
    assert complaints(Form.model_json_schema(), value) == ["parts: it has the length 3, wanted is 0 to 2"]


@pytest.mark.parametrize(
    ("value", "answer", "event"),
    [
        ({"count": 3.0}, [], ["count: 3.0 is not a whole number"]),
        ({"count": 3, "more_of": 1}, ["more_of: is no field of it: did you mean 'more'"], []),
        (
            {"count": 3, "either": None},
            ["either: should be a whole number, not null"],
            ["either: null is none of what is wanted: a whole number or a text"],
        ),
    ],
)
def test_answers_and_events_differ_in_three_ways(value: Any, answer: list[str], event: list[str]) -> None:
    """A whole number may be written 3.0; a field that is not named is refused; the nearest of several is told."""
    assert told(value) == answer
    assert complaints(Form.model_json_schema(), value) == event


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 12) | st.floats(0, 2) | st.sampled_from(["red", "fast", "ab", "A", ""]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(list(Form.model_fields)) | st.sampled_from(["name", "share"]), inner, max_size=4
        )
    ),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None)
@given(JSON)
def test_no_json_breaks_it_and_what_it_passes_its_model_takes_too(value: Any) -> None:
    """But for what a schema cannot say: here, that a text is a date."""
    if problems(Form.model_json_schema(), value):
        return
    try:
        Form.model_validate(value, strict=False)
    except ValidationError as error:
        assert {one["type"] for one in error.errors()} <= {"date_from_datetime_parsing", "date_parsing"}  # noqa: PT017
