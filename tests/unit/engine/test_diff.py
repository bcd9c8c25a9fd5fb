"""Before a run follows other code, a person sees what that would change."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

from smithers import Approval, Child, Sequence, Task, Workflow
from smithers.engine.diff import plan_diff
from smithers.testing import InMemoryRun

pytestmark = pytest.mark.decision("0014")


class Out(BaseModel):
    n: int = 0


def work() -> Out:
    return Out()


def flow(*children: Child) -> Workflow[Any]:
    return Workflow("w", lambda ctx: Sequence[children], None)


def task(id: str) -> Task[Out]:
    return Task(id, output=Out)[work]


def waiting_run() -> InMemoryRun:
    run = InMemoryRun(flow(task("a"), Approval("ask", title="?"), task("b")))
    run.finish(run.work[0].n, Out())
    return run


def test_the_same_code_changes_nothing() -> None:
    run = waiting_run()

    assert plan_diff(run.workflow, run.run_id, run.log).is_empty


def test_new_old_and_starting_nodes_are_named() -> None:
    run = waiting_run()
    other = flow(task("a"), task("new"), Approval("ask", title="?"), task("c"))
    log = list(run.log)

    diff = plan_diff(other, run.run_id, log)

    assert (diff.added, diff.removed, diff.starts) == (("c:", "new:"), ("b:",), ("new:",))
    assert diff.status == "running"
    assert log == run.log
