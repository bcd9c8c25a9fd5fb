"""A workflow looked at without running it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import BaseModel

from smithers import (
    Approval,
    CachePolicy,
    Child,
    Context,
    Loop,
    Parallel,
    RetryPolicy,
    Sequence,
    Task,
    Turn,
    Workflow,
    workflow,
)
from smithers.errors import InvalidInput
from smithers.testing import preview

ran: list[str] = []


class Order(BaseModel):
    name: str = "x"


class Plan(BaseModel):
    steps: list[str]


class Out(BaseModel):
    n: int = 0


def work() -> Out:
    ran.append("work")
    return Out()


def echo(in_: Out) -> Out:
    return in_


def task(id: str, **props: Any) -> Task[Out]:
    return Task(id, output=Out, **props)[work]


@workflow(input=Order)
def ship(ctx: Context[Order]) -> Child:
    def steps() -> Child:
        return Parallel(max_concurrency=2)[(task(step) for step in ctx.output(Plan, "plan").steps)]

    def enough(turn: Turn) -> bool:
        return ctx.iteration_count("review") >= 2

    return Sequence[
        Task("plan", output=Plan, label=f"Plan {ctx.input.name}", meta={"cost": 3})[Plan(steps=[ctx.input.name])],
        steps,
        Loop("polish", until=enough)[task("review", meta={"run": ctx.run_id})],
        Approval("ok", title="Ship?", on_deny="skip"),
    ]


def flow(tree: Child) -> Workflow[Any]:
    return Workflow("w", lambda ctx: tree, None)


def of(shot: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {one["nodeId"]: one for one in shot["tasks"]}


@pytest.mark.feature("render.fn", "render.fn.pure", "render.snap", "render.snap.frameno", "author.pure", "plan.capture")
@pytest.mark.feature("render.fn.ctx.runid", "render.fn.ctx.input", "ctx.runid")
def test_a_preview_renders_with_input_and_run_id_and_runs_nothing() -> None:
    ran.clear()
    shot = preview(ship, {"name": "fix"}, run_id="r7")
    assert {name: shot[name] for name in ("runId", "frameNo", "kind", "id")} == {
        "runId": "r7",
        "frameNo": 0,
        "kind": "workflow",
        "id": "ship",
    }
    assert list(of(shot)) == ["plan", "review", "ok"]
    assert of(shot)["plan"]["label"] == "Plan fix"
    later = preview(ship, {"name": "fix"}, {"plan": Plan(steps=["a"]), "a": Out()}, run_id="r7")
    assert of(later)["review"]["meta"] == {"run": "r7"}
    assert ran == []
    with pytest.raises(InvalidInput, match="name"):
        preview(ship, {"name": 3})


@pytest.mark.feature("render.fn.ctx.outputs", "render.fn.ctx.iteration", "render.fn.ctx.iterations", "dflow.reactive")
@pytest.mark.feature("author.dynamic")
def test_a_preview_shows_what_comes_once_some_outputs_are_there() -> None:
    done: dict[str, Any] = {"plan": Plan(steps=["a", "b", "c"]), "a": {"n": 1}, "b": Out(), "c": Out()}
    with_plan = of(preview(ship, {}, {"plan": done["plan"]}))
    assert {id: one["state"] for id, one in with_plan.items()} == {
        "plan": "finished",
        "a": "running",
        "b": "running",
        "c": "pending",
        "review": "pending",
        "ok": "pending",
    }
    passes = [of(preview(ship, {}, done | {"review": [Out()] * n})) for n in range(3)]
    assert [one["review"]["iteration"] for one in passes[:2]] == ["0", "1"]
    assert passes[0]["review"]["loopId"] == "polish"
    assert passes[2]["ok"]["state"] == "waiting-approval"
    with pytest.raises(InvalidInput, match=r"an output for 'reveiw', but no such task begins.*plan"):
        preview(ship, {}, {"plan": done["plan"], "reveiw": Out()})


@pytest.mark.feature("render.snap.order", "render.desc.identity", "render.desc.deps", "plan.norm.handles")
@pytest.mark.feature("plan.norm.edges")
def test_descriptors_stand_in_the_order_of_the_tree_with_what_they_wait_for() -> None:
    tree = Parallel[
        task("b", depends_on=["a"]),
        task("c", needs={"left": "a"}),
        Task("d", output=Out, deps={"a": Out, "right": Out}, needs={"right": "b"})[lambda a, right: a],
        task("a"),
    ]
    tasks = preview(flow(tree), {})["tasks"]
    assert [(one["ordinal"], one["nodeId"], one["dependsOn"]) for one in tasks] == [
        (0, "b", ["a"]),
        (1, "c", ["a"]),
        (2, "d", ["a", "b"]),
        (3, "a", []),
    ]
    assert (tasks[2]["needs"], tasks[2]["iteration"], tasks[2]["loopId"]) == ({"right": "b"}, "0", None)


@pytest.mark.feature("render.desc.output", "render.desc.display", "render.desc.policy", "render.desc.body", "exec.kind")
@pytest.mark.feature("plan.norm.sig", "plan.norm.policies", "plan.step")
def test_a_descriptor_is_plain_data_with_output_policies_and_body() -> None:
    policy = RetryPolicy("linear", "2s", "1m")
    made = task("a", retries=2, retry=policy, timeout="90s", continue_on_fail=True, label="A", meta={"team": "blue"})
    kept = Task("c", output=Out, deps={"in_": Out}, needs={"in_": "a"}, needs_approval=True, cache=CachePolicy())[echo]
    shot = preview(flow(Sequence[made, Task("b", output=Out, skip_if=True)[Out(n=4)], Parallel[kept]]), {})
    a, b, c = of(json.loads(json.dumps(shot))).values()
    assert (
        a
        | {
            "output": "Out",
            "outputSchema": Out.model_json_schema(),
            "retries": 2,
            "retryPolicy": {"backoff": "linear", "initialDelayMs": 2000, "maxDelayMs": 60000},
            "timeoutMs": 90000,
            "continueOnFail": True,
            "skipIf": False,
            "label": "A",
            "meta": {"team": "blue"},
            "mode": "compute",
            "function": f"{__name__}:work",
        }
        == a
    )
    assert (b["mode"], b["staticPayload"], b["skipIf"], b["timeoutMs"]) == ("static", {"n": 4}, True, None)
    assert (a["cachePolicy"], c["cachePolicy"]) == (None, {"by": False, "version": ""})
    assert (c["needs"], c["dependsOn"], c["needsApproval"], c["approvalMode"]) == ({"in_": "a"}, ["a"], True, "gate")
    assert (a["parallelGroupId"], c["parallelGroupId"]) == (None, "parallel:0.0.2")


@pytest.mark.feature("render.desc.parallel", "plan.norm.groups", "render.desc.approval")
def test_a_descriptor_names_its_group_and_whether_a_person_is_asked() -> None:
    tree = Sequence[
        Parallel(max_concurrency=3)[task("a"), Parallel[task("b", needs_approval=True)]],
        task("c"),
        Approval("ok", on_deny="continue"),
    ]
    shot = preview(flow(tree), {})
    a, b, c, ok = of(shot).values()
    assert a["parallelGroupId"] not in (None, b["parallelGroupId"])
    assert [one["parallelMaxConcurrency"] for one in (a, b, c)] == [3, 3, None]
    assert c["parallelGroupId"] is None
    assert (a["needsApproval"], b["needsApproval"], b["approvalMode"]) == (False, True, "gate")
    assert (ok["approvalMode"], ok["approvalOnDeny"]) == ("decision", "continue")
    assert [child["kind"] for child in shot["children"][0]["children"]] == ["parallel", "task", "approval"]
