"""Why a node does not begin, for each thing that may keep it: as a person reads it, and as a program does."""

from __future__ import annotations

from typing import Any

import pytest

from smithers import (
    Approval,
    Aspects,
    Context,
    CostBudget,
    Estimate,
    LatencySlo,
    Loop,
    MergeQueue,
    Parallel,
    Race,
    RetryPolicy,
    Sequence,
    Task,
    Timer,
    TokenBudget,
    WaitForEvent,
    workflow,
)
from smithers.flow.workflow import AnyWorkflow
from tests.unit.cli.flows import Text, work
from tests.unit.cli.stage import Stage


def task(id: str, **more: Any) -> Task[Text]:
    return Task(id, output=Text, **more)[work]


def waits(stage: Stage, node: str, *more: str) -> list[dict[str, Any]]:
    """What `smithers node` says, but for the worker that no test has."""
    found = stage.call("node", node, "--run-id", "r1", "--json", *more).json["waits"]
    return [one for one in found if one["kind"] != "worker"]


def wait(stage: Stage, node: str, *more: str) -> dict[str, Any]:
    [found] = waits(stage, node, *more)
    return found


# other nodes


@workflow
def diamond(ctx: Context[None]):
    return Parallel[task("a"), Approval("ok"), task("last", depends_on=["a", "ok"])]


def test_a_node_names_what_it_depends_on_and_how_that_stands(stage: Stage) -> None:
    stage.start(diamond, "r1")
    stage.claim("r1", "a")

    found = wait(stage, "last")

    assert found["kind"] == "dependency"
    assert found["text"].startswith("last depends on a (running for ")
    assert "and ok (waiting-approval)." in found["text"]
    assert [(one["nodeId"], one["state"]) for one in found["dependsOn"]] == [
        ("a", "running"),
        ("ok", "waiting-approval"),
    ]
    assert (found["unblock"], found["command"]) == ("all of them end", "smithers node a --run-id r1")
    text = stage.call("node", "last", "--run-id", "r1").out
    assert "to go on: all of them end" in text
    stage.end("r1", "a")
    assert wait(stage, "last")["text"] == "last depends on ok (waiting-approval)."


@workflow
def afterwards(ctx: Context[None]):
    turns = Loop("turns", until=lambda: ctx.iteration_count("try") >= 2)[task("try")]
    return Parallel[turns, task("last", depends_on=["try"])]


def test_a_dependency_in_a_loop_counts_once_its_loop_is_over(stage: Stage) -> None:
    stage.start(afterwards, "r1")
    stage.claim("r1", "try")
    stage.answer("r1", "try", "finished", {})
    assert wait(stage, "last")["text"].startswith("last depends on try #1 (")


@workflow
def unwritten(ctx: Context[None]):
    def later() -> Task[Text]:
        ctx.output(Text, "a")
        return task("b")

    return Parallel[task("a"), later, task("c", depends_on=["b"])]


def test_a_dependency_that_is_not_there_yet_is_said_so(stage: Stage) -> None:
    stage.start(unwritten, "r1")
    assert wait(stage, "c")["text"] == "c depends on b, which is not in the tree yet."


@workflow
def ordered(ctx: Context[None]):
    return Sequence[Parallel[task("a"), Sequence[task("b"), task("c")]], task("last")]


def test_a_node_names_what_comes_before_it(stage: Stage) -> None:
    stage.start(ordered, "r1")

    assert [one["nodeId"] for one in wait(stage, "last")["after"]] == ["a", "b", "c"]
    found = wait(stage, "c")
    assert found["kind"] == "order"
    assert found["text"] == "c comes after b (ready, and waits for a worker)."
    assert [one["nodeId"] for one in found["after"]] == ["b"], "a stands beside it"
    stage.end("r1", "b")
    assert [one["nodeId"] for one in wait(stage, "last")["after"]] == ["a", "c"]


@workflow
def growing(ctx: Context[None]):
    extra = [task("extra")] if ctx.output_maybe(Text, "a") else []
    return Sequence[task("a"), *extra, task("b")]


def test_a_node_that_something_was_put_before_still_names_it(stage: Stage) -> None:
    stage.start(growing, "r1")
    stage.end("r1", "a")
    assert [one["nodeId"] for one in wait(stage, "b")["after"]] == ["extra"]


@workflow
def hidden(ctx: Context[None]):
    def later() -> Task[Text]:
        ctx.output(Text, "a")
        return task("b")

    return Parallel[task("a"), Sequence[later, task("c")]]


def test_a_node_behind_what_has_not_rendered_says_what_is_at_work(stage: Stage) -> None:
    stage.start(hidden, "r1")
    found = wait(stage, "c")
    assert (
        "something that comes before it is not over or has not rendered yet.\nAt work or waiting now: a ("
        in (found["text"])
    )
    assert found["command"] == "smithers why r1"


@workflow
def passing(ctx: Context[None]):
    return Sequence[Approval("later", async_=True), task("a"), task("b")]


def test_an_async_question_is_not_what_comes_before(stage: Stage) -> None:
    stage.start(passing, "r1")
    assert [one["nodeId"] for one in wait(stage, "b")["after"]] == ["a"]


# caps


@workflow
def capped(ctx: Context[None]):
    return Parallel(id="many", max_concurrency=1)[(task(id) for id in "abc")]


@workflow
def merging(ctx: Context[None]):
    return MergeQueue(id="lane")[(task(id) for id in "abc")]


@pytest.mark.parametrize(("flow", "what"), [(capped, "Parallel 'many'"), (merging, "merge queue 'lane'")])
def test_a_capped_node_says_its_place_in_the_line_and_who_has_a_slot(
    stage: Stage, flow: AnyWorkflow, what: str
) -> None:
    stage.start(flow, "r1")
    stage.claim("r1", "a")

    second, third = wait(stage, "b"), wait(stage, "c")

    assert second["kind"] == third["kind"] == "cap"
    assert f"b waits for a slot in {what} (1 at a time); it is next.\na (running" in second["text"]
    assert f"c waits for a slot in {what} (1 at a time); 1 before it: b.\na (running" in third["text"]
    assert third["cap"]["limit"] == 1
    assert [one["nodeId"] for one in third["before"]] == ["b"]
    assert [one["nodeId"] for one in third["holders"]] == ["a"]
    assert third["command"] == "smithers node a --run-id r1"


@pytest.mark.parametrize("command", ["why", "inspect"])
def test_a_whole_line_is_one_reason_of_the_run(stage: Stage, command: str) -> None:
    stage.start(capped, "r1")
    assert "b and c wait for a slot in Parallel 'many' (1 at a time)." in stage.call(command, "r1").out
    key = {"why": "reasons", "inspect": "waits"}[command]
    [found] = [one for one in stage.call(command, "r1", "--json").json[key] if one["kind"] == "cap"]
    assert [one["nodeId"] for one in found["waiting"]] == ["b", "c"]


@workflow
def narrow(ctx: Context[None]):
    return Parallel[(task(f"t{at}") for at in range(102))]


def test_the_cap_of_the_run_itself_is_told(stage: Stage) -> None:
    stage.start(narrow, "r1")
    found = wait(stage, "t101")
    assert "t101 waits for a slot in the run (max_in_flight: 100 at a time); 1 before it: t100." in found["text"]
    assert "and 95 more" not in found["text"].splitlines()[0]
    assert len(found["holders"]) == 100
    assert "--max-concurrency" in found["unblock"]


# budgets


def spender(id: str, tokens: int = 0, cost: float = 0.0) -> Task[Text]:
    return Task(id, output=Text, estimate=Estimate(tokens=tokens, cost_usd=cost))[work]


@workflow
def sharing(ctx: Context[None]):
    return Aspects(id="spend", token_budget=TokenBudget(max=1000))[
        Parallel[spender("a", 500), spender("b", 400), spender("c", 300)]
    ]


@pytest.mark.parametrize("command", ["node", "why", "inspect"])
def test_a_task_that_waits_for_reserved_tokens_says_who_has_reserved_how_many(stage: Stage, command: str) -> None:
    stage.start(sharing, "r1")
    words = ("node", "c", "--run-id", "r1") if command == "node" else (command, "r1")

    text = stage.call(*words).out

    assert (
        "c waits for tokens: it reserves 300 tokens, and of the 1000 tokens of Aspects 'spend' 0 tokens are spent and "
        "900 tokens reserved by others; 100 tokens are free." in text
    )
    assert "a (ready, and waits for a worker) has reserved 500 tokens." in text
    key = {"node": "waits", "why": "reasons", "inspect": "waits"}[command]
    [found] = [one for one in stage.call(*words, "--json").json[key] if one["kind"] == "budget"]
    assert found["budget"] == {
        "aspects": "spend",
        "kind": "tokens",
        "limit": 1000,
        "spent": 0,
        "reserved": 900,
        "needs": 300,
    }
    assert [(one["nodeId"], one["reserved"]) for one in found["holders"]] == [("a", 500), ("b", 400)]


@workflow
def paying(ctx: Context[None]):
    return Aspects(id="bill", cost_budget=CostBudget(max_usd=1.0))[
        Parallel[spender("a", cost=0.75), spender("b", cost=0.5)]
    ]


def test_money_is_told_in_dollars(stage: Stage) -> None:
    stage.start(paying, "r1")
    found = wait(stage, "b")
    assert "b waits for money: it reserves $0.5, and of the $1 of Aspects 'bill' $0 are spent" in found["text"]
    assert found["budget"]["reserved"] == 0.75


def test_what_was_spent_counts(stage: Stage) -> None:
    stage.start(sharing, "r1")
    c = stage.claim("r1", "b")
    stage.answer("r1", c.node, "finished", {})
    assert stage.store.node("r1", "c").state == "running", "b used nothing, so c fits now"


# time


def late(id: str, **more: Any) -> Sequence:
    return Sequence(id=id, timeout="2h", **more)[task(f"{id}-1"), task(f"{id}-2")]


@workflow
def timed(ctx: Context[None]):
    return Parallel[
        late("hard"),
        late("soft", on_timeout="continue"),
        Aspects(id="slow", latency_slo=LatencySlo(max="3h"))[task("slow-1")],
        Race(id="first")[Approval("ask"), Timer("bell", duration="1h")],
    ]


@pytest.mark.parametrize("command", ["why", "inspect"])
def test_timers_of_groups_and_races_say_whose_they_are_and_what_happens_then(stage: Stage, command: str) -> None:
    stage.start(timed, "r1")

    said = stage.call(command, "r1").out

    blocks = {block.split()[1]: block for block in said.split("\n\n") if block[:1] in "⏸⏱"}
    assert (
        "It is the timeout of Sequence 'hard': then it fails, and what runs in it is cancelled."
        in (blocks["hard:timeout"])
    )
    assert "fires in 1h 59m" in blocks["hard:timeout"]
    assert "the run goes on with the outputs that are there" in blocks["soft:timeout"]
    assert "It is the latency_slo of Aspects 'slow'" in blocks["slow:timeout"]
    race = "the first that is done wins, and the others are cancelled."
    assert f"It is in the race 'first' against ask: {race}" in blocks["bell"]
    assert f"It is in the race 'first' against bell: {race}" in blocks["ask"]


def test_a_node_says_when_the_time_of_the_groups_around_it_is_over(stage: Stage) -> None:
    stage.start(timed, "r1")
    found = wait(stage, "hard-2")
    assert "The timeout of Sequence 'hard' is over in 1h 59m, at " in found["text"]
    [limit] = found["limits"]
    assert (limit["kind"], limit["id"], limit["timer"], limit["then"]) == ("timeout", "hard", "hard:timeout", "fail")
    assert limit["expiresAt"].endswith("Z")
    assert wait(stage, "bell")["limits"] == [{"kind": "race", "id": "first", "against": ["ask"]}]


# attempts, people, events


@workflow
def behind(ctx: Context[None]):
    return Sequence[Parallel[Approval("ok"), WaitForEvent("go", event="ready", output=Text)], task("last")]


def test_what_waits_for_people_or_events_is_brought_on_by_their_command(stage: Stage) -> None:
    stage.start(behind, "r1")
    assert wait(stage, "last")["command"] == "smithers approve r1 ok"
    stage.call("approve", "r1", "ok")
    stage.plan("r1")
    assert wait(stage, "last")["command"].startswith("smithers signal r1 ready")


@workflow
def flaky(ctx: Context[None]):
    return Task("a", output=Text, retries=3, retry=RetryPolicy(initial_delay="1h", max_delay="1h"))[work]


def test_a_retry_says_when_it_is_and_why(stage: Stage) -> None:
    stage.start(flaky, "r1")
    stage.claim("r1", "a")
    stage.answer("r1", "a", "failed", {"code": "TASK_FAILED", "message": "no route to host", "retryable": True})

    found = wait(stage, "a")

    assert found["kind"] == "backoff"
    assert found["text"].startswith("a (attempt 2) is tried again in ")
    assert found["text"].endswith("The attempt before it failed: TASK_FAILED: no route to host")
    assert found["firesAt"].endswith("Z")
    assert found["error"]["code"] == "TASK_FAILED"


@workflow
def asked(ctx: Context[None]):
    return Parallel[
        Approval("ship", quorum=2, allowed_users=["ann", "bob"]),
        WaitForEvent("deploy", event="deployed", correlation_id="pr-7", output=Text),
        Task("gated", output=Text, needs_approval=True)[work],
    ]


def test_people_and_events_are_told_at_their_node(stage: Stage) -> None:
    stage.start(asked, "r1")
    assert stage.call("approve", "r1", "ship", "--by", "ann").status == 0

    ship, deploy, gated = wait(stage, "ship"), wait(stage, "deploy"), wait(stage, "gated")

    assert "2 people must approve, 1 so far: ann did\nfor ann or bob" in ship["text"]
    assert "deploy waits for the event 'deployed' (pr-7)" in deploy["text"]
    assert deploy["command"].startswith("smithers signal r1 deployed --correlation pr-7")
    assert (gated["kind"], gated["command"]) == ("approval", "smithers approve r1 gated")


@workflow
def queued(ctx: Context[None]):
    return Task("ship", output=Text, queue="deploys")[work]


def test_a_shared_queue_is_told_with_who_holds_it(stage: Stage) -> None:
    stage.start(queued, "r0")
    stage.plan("r0")
    stage.start(queued, "r1")
    found = wait(stage, "ship")
    assert (found["kind"], found["queue"]) == ("turn", "deploys")
    assert found["text"].endswith("it is next.\nship of run r0 has a slot.")


# the run


def test_a_pause_and_a_missing_worker_are_told_at_the_node(stage: Stage) -> None:
    stage.start(ordered, "r1")
    kinds = [one["kind"] for one in stage.call("node", "b", "--run-id", "r1", "--json").json["waits"]]
    assert kinds == ["queue", "worker"]
    stage.call("pause", "r1", "--note", "lunch")

    found = stage.call("node", "last", "--run-id", "r1", "--json").json["waits"]

    assert [one["kind"] for one in found] == ["order", "pause"]
    assert found[1]["command"] == "smithers unpause r1"
    assert 'It is paused by ann: "lunch". Nothing new begins;' in found[1]["text"]


def test_a_node_that_is_over_waits_for_nothing(stage: Stage) -> None:
    stage.start(ordered, "r1")
    stage.end("r1", "b")
    assert stage.call("node", "b", "--run-id", "r1", "--json").json["waits"] == []
