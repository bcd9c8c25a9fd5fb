"""Our converter writes what the SDK's can read, and reads what the SDK's writes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.common import RawValue
from temporalio.converter import DataConverter, WorkflowSerializationContext

from smithers.temporal.payloads import CONVERTER

OURS, THEIRS = CONVERTER.payload_converter, DataConverter.default.payload_converter
VALUES: list[Any] = [
    {"run": "r", "n": 17, "settle": [1, 2], "nested": {"ü": None, "x": 1.5, "yes": True}},
    {"big": 2**80, "tiny": -1e-300, "not a number": float("inf")},
    [{"a": 1}],
    "text",
    17,
    None,
    b"bytes",
]


@dataclass
class Point:
    x: int
    y: int


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_each_reads_what_the_other_writes(value: Any) -> None:
    assert THEIRS.from_payloads(OURS.to_payloads([value]), None) == [value]
    assert OURS.from_payloads(THEIRS.to_payloads([value]), None) == [value]


def test_the_encoding_is_the_sdks() -> None:
    for value in VALUES:
        (mine,), (its,) = OURS.to_payloads([value]), THEIRS.to_payloads([value])
        assert mine.metadata == its.metadata


def test_values_beside_each_other_keep_their_order() -> None:
    values = [{"a": 1}, None, {"b": 2}, "c"]

    assert OURS.from_payloads(OURS.to_payloads(values), None) == values


def test_a_type_that_is_asked_for_is_made() -> None:
    assert OURS.from_payloads(OURS.to_payloads([Point(1, 2)]), [Point]) == [Point(1, 2)]


def test_a_raw_value_passes_as_it_is() -> None:
    payload = Payload(metadata={"encoding": b"of their own"}, data=b"?")

    assert OURS.to_payloads([RawValue(payload)]) == [payload]
    assert OURS.from_payloads([payload], [RawValue])[0].payload == payload


def test_half_a_surrogate_pair_is_read() -> None:
    payload = Payload(metadata={"encoding": b"json/plain"}, data=rb'{"a": "\ud800"}')

    assert OURS.from_payloads([payload], None) == THEIRS.from_payloads([payload], None)


def test_what_is_no_json_is_an_error() -> None:
    with pytest.raises(RuntimeError):
        OURS.from_payloads([Payload(metadata={"encoding": b"json/plain"}, data=b"{")], None)


def test_the_context_makes_no_difference() -> None:
    context = WorkflowSerializationContext(namespace="n", workflow_id="w")

    assert CONVERTER.with_context(context) is CONVERTER
