"""What tasks have used, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterable

from smithers.engine.entry import Json
from smithers.engine.frame import NodeRow
from smithers.flow.usage import Usage, for_programs


def usage_wire(usage: Json | None) -> Json | None:
    return None if usage is None else for_programs(usage)


def told_usage(usage: Json) -> str:
    """`1200 tokens (1000 in, 200 out), $0.0123`; what is not tracked is left out."""
    parts: list[str] = []
    if "input_tokens" in usage:
        total = Usage.read(usage)
        parts.append(f"{total.tokens} tokens ({total.input_tokens} in, {total.output_tokens} out)")
    if usage.get("cost_usd"):
        parts.append(f"${usage['cost_usd']:g}")
    return ", ".join(parts)


def total_usage(rows: Iterable[NodeRow]) -> Json | None:
    """Of all nodes, as far as it is tracked; None where nothing was reported."""
    reported = [Usage.read(row.detail["usage"]) for row in rows if row.detail and row.detail.get("usage")]
    return sum(reported, Usage()).wire() if reported else None
