"""A run within budgets, from the shell."""

from __future__ import annotations

import pytest

from tests.acceptance.cli.running import Shell

FLOW = """\
from pydantic import BaseModel
from smithers import Aspects, Context, CostBudget, Task, TaskContext, TokenBudget, call, workflow

class Text(BaseModel):
    text: str = ""

def ask(tokens: int, task: TaskContext) -> Text:
    task.usage(input_tokens=tokens, output_tokens=100, cost_usd=0.01)
    return Text(text=f"{tokens}")

@workflow
def budgeted(ctx: Context[None]):
    return Aspects(
        token_budget=TokenBudget(max=1000), cost_budget=CostBudget(max_usd=0.005, on_exceeded="warn")
    )[
        Task("draft", output=Text)[call(ask, 700)],
        Task("review", output=Text)[call(ask, 400)],
        Task("publish", output=Text)[call(ask, 1)],
    ]
"""


@pytest.mark.feature("aspects.fail", "aspects.warn")
def test_what_is_used_is_shown_everywhere_and_a_spent_budget_says_what_to_do(shell: Shell):
    shell.write("flow.py", FLOW)

    failed = shell.call("up", "flow.py", "--run-id", "r1", "--format", "json")

    assert (failed.status, failed.json["error"]["code"]) == (1, "ASPECT_BUDGET_EXCEEDED")
    for part in ("Task 'publish'", "1300 tokens are spent", "limit is 1000 tokens", "flow.py:"):
        assert part in failed.json["error"]["message"]
    inspected = shell.call("inspect", "r1").out
    assert "1300 tokens (1100 in, 200 out), $0.02" in inspected
    assert "800 tokens (700 in, 100 out), $0.01" in inspected
    usage = {"inputTokens": 1100, "outputTokens": 200, "costUsd": 0.02}
    assert shell.call("inspect", "r1", "--format", "json").json["usage"] == usage
    assert "used 500 tokens (400 in, 100 out), $0.01" in shell.call("node", "review", "-r", "r1").out
    [attempt] = shell.call("node", "review", "-r", "r1", "--format", "json").json["attempts"]
    assert attempt["usage"] == {"inputTokens": 400, "outputTokens": 100, "costUsd": 0.01}
    events = shell.call("events", "r1").out
    assert "AspectBudgetWarning kind=cost limit=0.005 current=0.01" in events
    assert "AspectBudgetExceeded kind=tokens limit=1000 current=1300" in events
    assert "TokenUsageReported draft" in events
    assert "token_budget" in shell.call("graph", "flow.py", "--format", "json").out

    again = shell.call("up", "--resume", "r1", "--format", "json")

    assert again.status == 0
