"""What runs ask of people, and what becomes of the answers: in memory, from a cold start after every event, and on
Temporal."""

from __future__ import annotations

from typing import Any

import pytest

from smithers import (
    Approval,
    ApprovalGate,
    ApprovalOption,
    ApprovalRanking,
    ApprovalSelection,
    AutoApprove,
    Child,
    Context,
    Decision,
    Loop,
    Parallel,
    Sequence,
    Task,
    Workflow,
    call,
)
from smithers.engine.preview import preview
from smithers.errors import AnswerRefused, WrongState
from smithers.testing import Answer, simulate
from tests.unit.engine.asking import Out, task, work
from tests.unit.engine.by_hand import start

pytestmark = pytest.mark.decision("0020")

PLANS = (ApprovalOption("fast", label="The fast one"), ApprovalOption("safe"), "cheap")


@pytest.mark.feature("approval.mode.select", "hitl.select")
def test_a_selection_is_the_output_and_parts_read_it(run: Any) -> None:
    def make(ctx: Context[Any]) -> Child:
        def chosen() -> Child:
            return task(f"do-{ctx.output(ApprovalSelection, 'plan').selected}")

        return Sequence[Approval("plan", title="Which?", mode="select", options=PLANS), chosen]

    ended = run(make, decisions={"plan": "safe"})

    assert ended.status == "finished"
    assert ended.started == ["do-safe"]
    assert ended.output(ApprovalSelection, "plan") == ApprovalSelection(selected="safe", notes=None)


@pytest.mark.feature("approval.mode.rank", "hitl.rank")
def test_a_ranking_is_the_output(run: Any) -> None:
    ended = run(Approval("plan", mode="rank", options=PLANS), decisions={"plan": ["cheap", "fast", "safe"]})

    assert ended.output(ApprovalRanking, "plan").ranked == ["cheap", "fast", "safe"]


@pytest.mark.feature("approval.options.validate")
@pytest.mark.parametrize(
    ("mode", "said", "message"),
    [
        ("select", {"choice": "fasst"}, "There is no option 'fasst'. Did you mean 'fast'?"),
        ("select", {}, "Say which option: fast, safe or cheap."),
        ("select", {"ranking": ["fast"]}, "This request takes no ranking: it asks for one option"),
        ("rank", {"ranking": ["safe", "fast"]}, "The ranking leaves out cheap"),
        ("rank", {"ranking": ["safe", "fast", "safe", "cheap"]}, "'safe' is ranked twice"),
        ("rank", {"approved": False, "ranking": ["safe"]}, "A denial takes no ranking"),
    ],
)
def test_a_choice_that_makes_no_sense_is_refused_and_the_question_stays(mode: Any, said: Any, message: str) -> None:
    run = start(Approval("plan", mode=mode, options=PLANS))

    with pytest.raises(AnswerRefused) as refused:
        run.decide("plan", **said)

    assert message in refused.value.message
    assert [row.node for row in run.waiting] == ["plan"]
    assert [entry.kind for entry in run.log] == ["started", "frame"]


@pytest.mark.feature("approval.select.deny")
@pytest.mark.parametrize(
    ("on_deny", "status", "state"), [("fail", "failed", "failed"), ("skip", "finished", "skipped")]
)
def test_denying_a_choice_fails_or_skips_and_leaves_no_output(run: Any, on_deny: Any, status: str, state: str) -> None:
    ended = run(Approval("plan", mode="select", options=PLANS, on_deny=on_deny), decisions={"plan": False})

    assert (ended.status, ended.state("plan")) == (status, state)
    with pytest.raises(KeyError):
        ended.output(ApprovalSelection, "plan")


def test_a_denied_choice_is_asked_again_when_its_run_is_resumed(rebuild: bool) -> None:
    run = start(Sequence[Approval("plan", mode="select", options=PLANS), task("after")], rebuild=rebuild)
    run.decide("plan", approved=False)
    run.resume()

    run.decide("plan", choice="fast")

    assert run.output(ApprovalSelection, "plan").selected == "fast"
    assert [command.node for command in run.work] == ["after"]


@pytest.mark.feature("props.approval.request")
@pytest.mark.feature(
    "approval.options",
    "approval.request.metadata",
    "approval.request.title",
    "approval.meta",
    "approval.request.summary",
)
def test_the_request_holds_all_that_people_need() -> None:
    run = start(
        Approval(
            "plan",
            title="Which?",
            summary="They differ.",
            mode="select",
            options=PLANS,
            meta={"team": "x", "cost": 1},
            metadata={"cost": 2},
        )
    )

    detail = run.waiting[0].detail or {}

    assert (detail["title"], detail["summary"], detail["mode"]) == ("Which?", "They differ.", "select")
    assert detail["options"][0] == {"key": "fast", "label": "The fast one", "summary": "", "metadata": {}}
    assert [option["key"] for option in detail["options"]] == ["fast", "safe", "cheap"]
    assert detail["metadata"] == {"team": "x", "cost": 2}
    assert run.waiting[0].label == "Which?"


@pytest.mark.feature("approval.label")
def test_a_label_is_shown_instead_of_the_title() -> None:
    assert start(Approval("a", title="Ship it?", label="Shipping")).waiting[0].label == "Shipping"


@pytest.mark.feature("approval.allowedUsers", "approval.allowedScopes", "hitl.scoped")
@pytest.mark.parametrize(
    ("by", "scopes", "allowed"),
    [
        ("ann", ["ops"], True),
        ("ann", ["ops", "x"], True),
        ("ann", ["x"], False),
        ("ann", [], False),
        ("eve", ["ops"], False),
    ],
)
def test_only_those_who_may_decide_do(by: str, scopes: list[str], allowed: bool) -> None:
    run = start(Approval("ship", allowed_users=["ann", "bob"], allowed_scopes=["ops", "admin"]))

    if allowed:
        run.decide("ship", by=by, scopes=scopes)
        assert run.status == "finished"
        return
    with pytest.raises(AnswerRefused, match="may not decide this") as refused:
        run.decide("ship", by=by, scopes=scopes)
    assert refused.value.data["code"] == "NOT_ALLOWED"
    assert run.status == "waiting-approval"
    kept = run.log[-1]
    assert (kept.kind, kept.data["by"], kept.data["entry"]["data"]["approved"]) == ("rejected", by, True)
    run.decide("ship", by="bob", scopes=["admin"])
    assert run.status == "finished"


def test_an_approval_by_several_needs_different_people(rebuild: bool) -> None:
    run = start(Sequence[Approval("ship", quorum=3), task("after")], rebuild=rebuild)

    first = run.decide("ship", by="ann", note="fine")
    with pytest.raises(AnswerRefused, match="ann has approved this already"):
        run.decide("ship", by="ann")
    run.decide("ship", by="bob")

    assert (first.votes, first.needed, first.is_final) == (1, 3, False)
    assert run.status == "waiting-approval"
    assert run.decide("ship", by="cid").is_final
    decision = run.output(Decision, "ship")
    assert (decision.decided_by, decision.note) == ("ann, bob, cid", "ann: fine")
    assert [command.node for command in run.work] == ["after"]


def test_one_denial_outweighs_all_approvals(run: Any) -> None:
    said = (Answer(True, "ann"), Answer(False, "bob", "no"))

    ended = run(Approval("ship", title="Ship?", quorum=3), decisions={"ship": said})

    assert ended.status == "failed"
    assert ended.error["message"].endswith("bob denied 'Ship?': no")


def test_votes_begin_anew_when_a_denied_approval_is_asked_again(rebuild: bool) -> None:
    run = start(Approval("ship", quorum=2), rebuild=rebuild)
    run.decide("ship", by="ann")
    run.decide("ship", by="bob", approved=False)
    run.resume()

    assert not run.decide("ship", by="bob").is_final
    assert run.decide("ship", by="ann").is_final
    assert run.status == "finished"


def test_votes_are_counted_on_temporal_too(run: Any) -> None:
    said = (Answer(True, "ann"), Answer(True, "bob"))

    ended = run(Approval("ship", quorum=2), decisions={"ship": said})

    assert ended.output(Decision, "ship").decided_by == "ann, bob"


@pytest.mark.feature("approval.timeoutMs", "approvalgate.timeoutMs")
@pytest.mark.parametrize("gate", [False, True])
def test_an_approval_that_nobody_answers_in_time_fails(run: Any, gate: bool) -> None:
    props: Any = {"title": "Ship?", "timeout": "1s"}

    ended = run(
        Sequence[ApprovalGate("ship", when=True, **props) if gate else Approval("ship", **props), task("after")]
    )

    assert (ended.status, ended.state("ship"), ended.state("after")) == ("failed", "failed", "pending")
    assert ended.error["code"] == "APPROVAL_TIMEOUT"
    assert "nobody answered 'Ship?' within 1s" in ended.error["message"]


@pytest.mark.feature("approval.timeoutMs")
@pytest.mark.parametrize(
    ("props", "state"),
    [
        ({"on_timeout": "skip"}, "skipped"),
        ({"on_timeout": "continue"}, "finished"),
        ({"on_timeout": "deny", "on_deny": "skip"}, "skipped"),
        ({"on_timeout": "deny", "on_deny": "continue"}, "finished"),
    ],
)
def test_a_run_can_go_on_without_an_answer(run: Any, props: Any, state: str) -> None:
    ended = run(Sequence[Approval("ship", timeout="1s", **props), task("after")])

    assert (ended.status, ended.state("ship"), ended.started) == ("finished", state, ["after"])
    if state == "finished":
        assert ended.output(Decision, "ship") == Decision(approved=False, note="nobody decided in time")


@pytest.mark.feature("approval.timeoutMs")
def test_who_reads_the_answer_reads_that_there_was_none(run: Any) -> None:
    def make(ctx: Context[Any]) -> Child:
        def told() -> Child:
            decision = ctx.output_maybe(Decision, "ship")
            return task("told" if decision and not decision.approved else "untold")

        return Sequence[Approval("ship", timeout="1s", on_timeout="continue"), told]

    assert run(make).started == ["told"]


@pytest.mark.feature("approval.timeoutMs")
def test_an_answer_and_the_end_of_the_wait_cannot_both_count(rebuild: bool) -> None:
    run = start(Approval("ship", timeout="1h"), rebuild=rebuild)
    timer = run.work[0].n
    run.paused = True
    run.decide("ship")
    with pytest.raises(WrongState):
        run.fire(timer)
    run.paused = False
    run.plan()
    assert (run.status, run.work) == ("finished", [])

    late = start(Approval("ship", timeout="1h"), rebuild=rebuild)
    late.paused = True
    late.fire(late.work[0].n)
    with pytest.raises(WrongState):
        late.decide("ship")


@pytest.mark.feature("approval.timeoutMs")
def test_an_answer_in_time_ends_the_timer(run: Any) -> None:
    ended = run(Sequence[Approval("ship", timeout="1h"), task("after")], decisions={"ship": True})

    assert (ended.status, ended.started) == ("finished", ["after"])


def test_each_time_it_is_asked_an_approval_has_its_whole_time(rebuild: bool) -> None:
    run = start(Approval("ship", timeout="1h"), rebuild=rebuild)
    run.fire(run.work[0].n)
    assert run.status == "failed"

    run.resume()

    assert [(command.kind, command.attempt, command.delay_ms) for command in run.work] == [("timer", 2, 3_600_000)]
    run.fire(run.work[0].n)
    assert run.status == "failed"
    run.resume()
    run.decide("ship")
    assert (run.status, run.work) == ("finished", [])


def test_a_question_that_is_withdrawn_takes_its_timer_along(rebuild: bool) -> None:
    run = start(Parallel[Approval("ship", timeout="1h"), task("bad", retries=0)], rebuild=rebuild)

    run.fail(next(command.n for command in run.work if command.node == "bad"))

    assert (run.status, run.work, run.nodes["ship:"].state) == ("failed", [], "cancelled")


@pytest.mark.feature("approval.auto.condition", "approval.auto.audit", "approval.auto.audit-off")
@pytest.mark.parametrize("audit", [True, False])
def test_an_approval_whose_condition_holds_asks_nobody(run: Any, audit: bool) -> None:
    policy = AutoApprove(condition=lambda: True, audit=audit)

    ended = run(Sequence[Approval("ship", auto_approve=policy), task("after")])

    assert (ended.status, ended.started, ended.state("ship")) == ("finished", ["after"], "finished")
    assert ended.output(Decision, "ship") == Decision(approved=True, note="auto-approved")


@pytest.mark.feature("approval.auto.rerender")
def test_the_condition_is_asked_again_when_what_it_has_read_changes(rebuild: bool) -> None:
    def make(ctx: Context[Any]) -> Child:
        def is_small(ctx: Context[Any]) -> bool:
            found = ctx.output_maybe(Out, "size")
            return found is not None and found.n < 10

        return Parallel[task("size"), task("other"), Approval("ship", auto_approve=AutoApprove(condition=is_small))]

    run = start(make, rebuild=rebuild)
    run.finish(next(c.n for c in run.work if c.node == "other"), Out(n=1))
    assert [row.node for row in run.waiting] == ["ship"]

    run.finish(run.work[0].n, Out(n=3))

    assert run.status == "finished"
    assert run.plans[-1].frame["auto"] == ["ship:"]


@pytest.mark.feature("approval.auto.after", "hitl.auto")
def test_people_are_not_asked_what_they_have_approved_so_often(run: Any) -> None:
    def until(ctx: Context[Any]) -> Any:
        return lambda: ctx.iteration_count("habit") >= 4

    def make(ctx: Context[Any]) -> Child:
        return Loop("l", until=until(ctx))[Approval("habit", auto_approve=AutoApprove(after=2)), task("next")]

    ended = run(make, decisions={"habit": (True, True, False)})

    assert (ended.status, len(ended.started)) == ("finished", 4)
    notes = [ended.output(Decision, "habit", str(turn)).note for turn in range(4)]
    assert notes == [None, None, "auto-approved", "auto-approved"]


@pytest.mark.feature("approval.auto.after")
@pytest.mark.parametrize(("before", "asked"), [(0, True), (2, True), (3, False), (9, False)])
def test_approvals_of_earlier_runs_count(before: int, asked: bool) -> None:
    tree = Approval("ship", auto_approve=AutoApprove(after=3))

    ended = simulate(Workflow("habit", lambda ctx: tree, None), approved_before={"ship": before})

    assert ended.waiting == (["ship"] if asked else [])


@pytest.mark.feature("approvalgate.output")
@pytest.mark.feature("approvalgate.when", "approvalgate.when-true", "approvalgate.when-false", "hitl.approvalgate")
@pytest.mark.feature("approvalgate.expansion", "approvalgate.uniform-shape", "approvalgate.auto-never-fails")
@pytest.mark.parametrize("risky", [True, False])
def test_a_gate_asks_only_where_it_is_needed(run: Any, risky: bool) -> None:
    def make(ctx: Context[Any]) -> Child:
        def gate() -> Child:
            return ApprovalGate("gate", when=ctx.output(Out, "risk").n > 5, title="Risky. Go on?", on_deny="continue")

        def follow() -> Child:
            return task("yes" if ctx.output(Decision, "gate").approved else "no")

        return Sequence[Task("risk", output=Out)[call(work, 9 if risky else 1)], gate, follow]

    ended = run(make, decisions={"gate": False})

    assert ended.started == ["risk", "no"] if risky else ["risk", "gate", "yes"]
    expected = Decision(
        approved=not risky, note=None if risky else "auto-approved", decided_by="tester" if risky else None
    )
    assert ended.output(Decision, "gate") == expected


@pytest.mark.feature("approvalgate.request")
def test_a_gate_asks_with_title_summary_and_metadata() -> None:
    (row,) = start(ApprovalGate("g", when=True, title="Go?", summary="All is well.", metadata={"cost": 7})).waiting

    assert (row.label, row.detail) == ("Go?", {"title": "Go?", "summary": "All is well.", "metadata": {"cost": 7}})


@pytest.mark.feature("approvalgate.skipIf", "approvalgate.continueOnFail", "approvalgate.onDeny", "approvalgate.id")
def test_a_gate_takes_the_policies_of_an_approval() -> None:
    gates = Sequence[
        ApprovalGate("off", when=True, skip_if=True),
        ApprovalGate("off-too", when=False, skip_if=True),
        ApprovalGate("failing", when=True, continue_on_fail=True),
        ApprovalGate("skipping", when=True, on_deny="skip"),
        task("after"),
    ]

    ended = simulate(Workflow("gates", lambda ctx: gates, None), decisions={"failing": False, "skipping": False})

    assert ended.status == "finished"
    states = [ended.state(node) for node in ("off", "off-too", "failing", "skipping", "after")]
    assert states == ["skipped", "skipped", "failed", "skipped", "finished"]


@pytest.mark.feature("props.task.needsapproval")
@pytest.mark.feature("task.needsApproval", "hitl.gate", "hitl.gate.deny", "hitl.gate.no-value")
@pytest.mark.parametrize("approved", [True, False])
def test_a_task_that_needs_an_approval_begins_after_it(run: Any, approved: bool) -> None:
    ended = run(Sequence[task("deploy", needs_approval=True, retries=0), task("after")], decisions={"deploy": approved})

    if approved:
        assert (ended.status, ended.started) == ("finished", ["deploy", "after"])
        assert ended.output(Out, "deploy") == Out()
    else:
        assert (ended.status, ended.started, ended.state("deploy")) == ("failed", [], "failed")
        assert ended.error["code"] == "APPROVAL_DENIED"


def test_an_approved_task_that_fails_is_not_asked_for_again(rebuild: bool) -> None:
    run = start(task("deploy", needs_approval=True, retries=1), rebuild=rebuild)
    assert (run.work, [row.kind for row in run.waiting]) == ([], ["task"])
    run.decide("deploy")
    run.fail(run.work[0].n)
    run.fail(run.work[0].n)
    assert run.status == "failed"
    run.resume()

    assert (run.waiting, [command.node for command in run.work]) == ([], ["deploy"])


def test_a_denied_task_is_asked_for_again_when_its_run_is_resumed(rebuild: bool) -> None:
    run = start(task("deploy", needs_approval=True), rebuild=rebuild)
    run.decide("deploy", approved=False)
    run.resume()
    run.decide("deploy")

    assert [command.node for command in run.work] == ["deploy"]


@pytest.mark.feature("hitl.gate.graph", "hitl.gate.no-metadata")
def test_a_gate_is_a_flag_of_its_task_and_is_asked_for_by_its_label() -> None:
    tree = task("deploy", needs_approval=True, label="Deploy to all")

    shown = preview(Workflow("gated", lambda ctx: tree, None), {})["children"]
    row = start(tree).waiting[0]

    assert [(node["kind"], node["id"], node["needs_approval"]) for node in shown] == [("task", "deploy", True)]
    assert (row.label, (row.detail or {})["title"]) == ("Deploy to all", "Deploy to all")


@pytest.mark.feature("approval.onDeny.skip", "approvals.deny.skip", "hitl.deny.skip", "props.approval.ondeny.skip")
@pytest.mark.feature("approval.skipIf", "approval.continueOnFail")
def test_what_is_skipped_lets_the_rest_go_on(run: Any) -> None:
    tree = Sequence[
        Approval("off", skip_if=True),
        Approval("no", on_deny="skip"),
        Approval("failing", continue_on_fail=True),
        task("after"),
    ]

    ended = run(tree, decisions={"no": False, "failing": False})

    assert (ended.status, ended.started) == ("finished", ["after"])
    assert [ended.state(node) for node in ("off", "no", "failing")] == ["skipped", "skipped", "failed"]


@pytest.mark.feature(
    "approvals.branching", "approval.resume", "approvals.unblock", "hitl.node.branch", "hitl.node.note"
)
@pytest.mark.feature("approval.vs-needsApproval", "approvals.deny.continue", "props.approval.ondeny.continue")
@pytest.mark.parametrize(("said", "expected"), [(None, []), (True, ["yes"]), (False, ["no: too early"])])
def test_a_tree_has_three_forms_before_and_after_a_decision(said: bool | None, expected: list[str]) -> None:
    def make(ctx: Context[Any]) -> Child:
        def follow() -> Child:
            decision = ctx.output_maybe(Decision, "ship")
            if decision is None:
                return None
            label = "yes" if decision.approved else f"no: {decision.note}"
            return Task("follow", output=Out, label=label)[work]

        return Sequence[Approval("ship", title="?", on_deny="continue"), follow]

    run = start(make)
    if said is not None:
        run.decide("ship", approved=said, note="too early")

    assert [run.nodes[f"{command.node}:"].label for command in run.work] == expected


@pytest.mark.feature("approval.output", "approval.decision.schema-export", "props.approval.decision")
@pytest.mark.feature("hitl.deterministic", "approval.decision.decidedAt", "approvals.decision", "approvals.audit")
def test_the_log_says_who_and_when_and_the_output_who() -> None:
    run = start(Approval("ship", title="?"))

    run.decide("ship", by="ann", note="fine")

    entry = next(entry for entry in run.log if entry.kind == "decided")
    assert (entry.data["by"], entry.data["note"], entry.at_ms > 0) == ("ann", "fine", True)
    assert run.output(Decision, "ship") == Decision(approved=True, note="fine", decided_by="ann", decided_at=None)


@pytest.mark.feature("approval.pause", "approval.mode.approve", "approval.decision.shape")
@pytest.mark.parametrize("said", [True, False])
def test_a_run_waits_at_an_approval_until_somebody_says_yes_or_no(run: Any, said: bool) -> None:
    tree = Sequence[Approval("ship", title="?", on_deny="continue"), task("after")]

    waiting, ended = run(tree), run(tree, decisions={"ship": said})

    assert (waiting.status, waiting.state("ship"), waiting.started) == ("waiting-approval", "waiting-approval", [])
    assert (ended.status, ended.started) == ("finished", ["after"])
    assert ended.output(Decision, "ship").model_dump() == {
        "approved": said,
        "note": None,
        "decided_by": "tester",
        "decided_at": None,
    }


@pytest.mark.feature("hitl.multi-step", "approvals.request-pure", "approvals.first-class")
def test_each_step_asks_with_what_is_known_then() -> None:
    def make(ctx: Context[Any]) -> Child:
        def second() -> Child:
            return Approval("prod", title=f"{ctx.output(Out, 'build').n} tests passed. Ship?")

        return Sequence[task("build"), Approval("qa"), second]

    run = start(make)
    run.finish(run.work[0].n, Out(n=7))
    assert [row.node for row in run.waiting] == ["qa"]
    run.decide("qa")

    assert [(row.node, row.label) for row in run.waiting] == [("prod", "7 tests passed. Ship?")]


# Asked again


@pytest.mark.feature("approval.retries", "approvalgate.retries")
@pytest.mark.parametrize("gate", [False, True])
def test_a_denial_is_asked_again_as_often_as_its_author_bears(run: Any, gate: bool) -> None:
    props: Any = {"title": "Ship?", "retries": 2}
    tree = Sequence[ApprovalGate("ship", when=True, **props) if gate else Approval("ship", **props), task("after")]

    given = run(tree, decisions={"ship": (False, False, True)})
    denied = run(tree, decisions={"ship": False})

    assert (given.status, given.started, given.output(Decision, "ship").approved) == ("finished", ["after"], True)
    assert (denied.status, denied.error["code"]) == ("failed", "APPROVAL_DENIED")


@pytest.mark.feature("approval.retries")
def test_who_is_asked_again_is_told_why_and_has_the_whole_time(rebuild: bool) -> None:
    run = start(Approval("ship", title="Ship?", timeout="1h", retries=2), rebuild)
    run.decide("ship", approved=False, by="bob", note="not yet")
    (second,) = run.waiting
    (timer,) = run.work

    assert (second.detail or {})["complaint"] == "bob denied 'Ship?': not yet"
    assert (timer.attempt, run.due_ms[timer.n] - run.now_ms) == (2, pytest.approx(3_600_000, abs=5))
    run.fire(timer.n)
    (third,) = run.waiting
    assert (third.detail or {})["complaint"] == "nobody answered 'Ship?' within 1h"
    run.decide("ship", approved=False)
    assert (run.status, run.work) == ("failed", [])


def test_nobody_sees_the_denial_that_is_asked_again(rebuild: bool) -> None:
    seen: list[Any] = []

    def make(ctx: Context[Any]) -> Child:
        def watch() -> Child:
            seen.append(ctx.output_maybe(Decision, "ship"))
            return None

        return Parallel[Approval("ship", retries=1), watch]

    run = start(make, rebuild)
    before = len(seen)
    run.decide("ship", approved=False)

    assert set(seen[before + rebuild :][-1:]) == {None}
    run.decide("ship")
    assert (run.status, seen[-1].approved) == ("finished", True)


def test_a_resumed_run_asks_as_often_again(rebuild: bool) -> None:
    run = start(Approval("ship", retries=1), rebuild)
    for _ in range(2):
        run.decide("ship", approved=False)
        run.decide("ship", approved=False)
        assert run.status == "failed"
        run.resume()

    run.decide("ship")
    assert run.status == "finished"
