"""How values travel to Temporal and back: plain JSON, the quick way.

What Temporal sees of us are small dicts (`order.py`). The SDK's converter encodes them with the standard library's
`json`, after asking four other encodings; and because converters may depend on where a payload stands, the SDK asks for
one with that context about eight times a step. Ours does not depend on it. Together that was a tenth of what a worker's
event loop spends on a step. What others send in other encodings is read as the SDK reads it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

from pydantic_core import from_json, to_json
from temporalio.api.common.v1 import Payload
from temporalio.converter import (
    DataConverter,
    DefaultPayloadConverter,
    JSONPlainPayloadConverter,
    PayloadConverter,
    SerializationContext,
)

ANYTHING: Final = (None, Any)
METADATA: Final = {"encoding": b"json/plain"}


class Json(JSONPlainPayloadConverter):
    def to_payload(self, value: Any) -> Payload | None:
        return Payload(metadata=METADATA, data=to_json(value)) if type(value) is dict else super().to_payload(value)

    def from_payload(self, payload: Payload, type_hint: type | None = None) -> Any:
        if type_hint not in ANYTHING:
            return super().from_payload(payload, type_hint)
        try:
            return from_json(payload.data)
        except ValueError:  # half a surrogate pair, which `json` takes; or it says what is wrong
            return super().from_payload(payload, type_hint)


class Payloads(DefaultPayloadConverter):
    def __init__(self) -> None:
        super().__init__()
        self._json = Json()
        others = [one for one in self.converters.values() if one.encoding != self._json.encoding]
        self._set_converters(*others, self._json)

    def to_payloads(self, values: Sequence[Any]) -> list[Payload]:
        if all(type(value) is dict for value in values):
            return [payload for value in values if (payload := self._json.to_payload(value)) is not None]
        return super().to_payloads(values)

    def with_context(self, context: SerializationContext) -> Self:  # noqa: ARG002
        return self


@dataclass(frozen=True)
class Converter(DataConverter):
    payload_converter_class: type[PayloadConverter] = Payloads

    def with_context(self, context: SerializationContext) -> Self:  # noqa: ARG002
        return self


CONVERTER: Final = Converter()
