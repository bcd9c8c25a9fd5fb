"""A sender's check of a payload: the JSON Schema says no where the model does, and names the same field."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, RootModel

from smithers.engine.fit import schema_of, unfit
from smithers.engine.schema import complaints


class Colour(Enum):
    red = "red"
    blue = "blue"


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")
    size: int = Field(ge=1, lt=10)


class Everything(BaseModel):
    name: str = Field(min_length=2, max_length=4, pattern="^[a-z]+$")
    colour: Colour = Colour.red
    kind: Literal["one"] = "one"
    inner: Inner | None = None
    many: list[Inner] = Field(default_factory=list[Inner], max_length=2)
    pair: tuple[int, str] = (1, "x")
    share: float = 0.5
    flag: bool = False
    by_name: dict[str, int] = Field(default_factory=dict[str, int])
    when: datetime | None = None


class Numbers(RootModel[list[int]]):
    pass


@pytest.mark.parametrize(
    "payload",
    [
        {"name": "abc"},
        {"name": "abc", "colour": "blue", "inner": {"size": 9}, "many": [{"size": 1}], "unknown": 1},
        {"name": "ab", "pair": [2, "y"], "share": 1, "by_name": {"a": 1}, "inner": None},
        {"name": "ab", "when": "2026-01-02T03:04:05Z"},
    ],
)
@pytest.mark.feature("waitforevent.outputSchema")
def test_what_fits_the_model_fits_its_schema(payload: Any) -> None:
    assert unfit(Everything, payload) == ""
    assert complaints(schema_of(Everything), payload) == []


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": None}, "name"),
        ({"name": "a"}, "name"),
        ({"name": "abcde"}, "name"),
        ({"name": "AB"}, "name"),
        ({"colour": "green"}, "colour"),
        ({"kind": "two"}, "kind"),
        ({"inner": {"size": 0}}, "inner"),
        ({"inner": {"size": 10}}, "inner"),
        ({"inner": {}}, "inner"),
        ({"many": [{"size": 1, "more": 1}]}, "many.0.more"),
        ({"many": [{"size": 1}, {"size": "1"}]}, "many.1.size"),
        ({"many": [{"size": 1}] * 3}, "many"),
        ({"pair": ["1", "x"]}, "pair.0"),
        ({"share": "0.5"}, "share"),
        ({"flag": 1}, "flag"),
        ({"by_name": {"a": True}}, "by_name.a"),
    ],
)
@pytest.mark.feature("waitforevent.outputSchema")
def test_what_does_not_fit_is_named_by_its_field(change: dict[str, Any], field: str) -> None:
    payload = {"name": "abc", **change}

    assert unfit(Everything, payload) != ""
    assert [one.partition(": ")[0] for one in complaints(schema_of(Everything), payload)] == [field]


@pytest.mark.feature("waitforevent.outputSchema")
def test_a_payload_of_another_kind_is_named_as_a_whole() -> None:
    assert complaints(schema_of(Everything), [1]) == ["the payload: [1] is not an object"]
    numbers: Any = Numbers
    assert complaints(schema_of(numbers), {}) == ["the payload: {} is not a list"]
    assert complaints(schema_of(numbers), [1, "2"]) == ['1: "2" is not a whole number']


@pytest.mark.feature("waitforevent.outputSchema")
def test_a_missing_field_is_told_as_missing() -> None:
    assert complaints(schema_of(Everything), {}) == ["name: it is missing"]


class Nested(BaseModel):
    inner: Nested | None = None


def test_a_payload_that_is_nested_too_deeply_is_refused() -> None:
    payload: Any = {}
    for _ in range(5000):
        payload = {"inner": payload}

    assert complaints(schema_of(Nested), payload) == ["the payload: it is nested too deeply"]


class ByName(BaseModel):
    model_config = ConfigDict(populate_by_name=True)
    size: int = Field(alias="Size")


def test_models_that_a_schema_does_not_describe_are_left_to_the_planner() -> None:
    assert schema_of(ByName) == {}
    assert complaints(schema_of(ByName), {"size": 1}) == []
    assert unfit(ByName, {"size": 1}) == ""


@pytest.mark.parametrize(
    ("payload", "why"), [({"$too_large": 300_000}, "too large"), ({"$unreadable": "x"}, "could not be read")]
)
def test_what_temporal_could_not_hand_over_fits_nobody(payload: Any, why: str) -> None:
    class Empty(BaseModel):
        pass

    assert why in unfit(Empty, payload)
    assert unfit(Empty, None) == ""
