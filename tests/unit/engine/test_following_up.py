"""Reminders, escalation, delegation and votes taken back: in memory, from a cold start after every event, and on
Temporal."""

from __future__ import annotations

from typing import Any

import pytest

from smithers import (
    UNLIMITED,
    Approval,
    ApprovalGate,
    ApprovalRanking,
    ApprovalSelection,
    Child,
    Context,
    Decision,
    HumanTask,
    Parallel,
    Sequence,
)
from smithers.engine.chronicle import events_of
from smithers.engine.command import ESCALATION, Command
from smithers.errors import AnswerRefused, WrongState
from smithers.testing import InMemoryRun, simulate
from tests.unit.engine.asking import Out, Review, task
from tests.unit.engine.by_hand import start

pytestmark = pytest.mark.decision("0025")

LATER: Any = {"escalate_after": "2h", "escalate_to": ["boss"], "escalate_to_scopes": ["chiefs"]}


def clock(run: InMemoryRun, target: int) -> Command:
    """The open timer of a question that is for this."""
    return next(c for c in run.work if c.kind == "timer" and c.attempt and c.target == target)


def targets(run: InMemoryRun) -> list[int]:
    return sorted(c.target for c in run.work if c.kind == "timer")


def kinds(run: InMemoryRun) -> list[str]:
    return [entry.kind for entry in run.log if entry.kind != "frame"]


# reminders


@pytest.mark.feature("approval.pause")
@pytest.mark.parametrize(
    "question",
    [
        Approval("ask", remind_after="1h", reminders=2),
        ApprovalGate("ask", when=True, remind_after="1h", reminders=2),
        HumanTask("ask", output=Review, prompt="?", remind_after="1h", reminders=2),
        task("ask", needs_approval=True, remind_after="1h", reminders=2),
    ],
    ids=["approval", "gate", "human", "task"],
)
def test_people_are_reminded_as_often_as_the_author_says(question: Any, rebuild: bool) -> None:
    run = start(question, rebuild=rebuild)

    asked = clock(run, 1)
    run.fire(asked.n)
    again = clock(run, 2)
    run.fire(again.n)

    assert (asked.delay_ms, again.delay_ms) == (3_600_000, 3_600_000)
    assert targets(run) == []
    assert [entry.key for entry in run.log if entry.kind == "reminded"] == [
        "reminded:decided:ask:~1",
        "reminded:decided:ask:~2",
    ]
    assert run.status == "waiting-approval"
    assert [row.node for row in run.waiting] == ["ask"]


def test_reminders_without_an_end_go_on_until_somebody_answers(rebuild: bool) -> None:
    run = start(Approval("ask", remind_after="1h", reminders=UNLIMITED), rebuild=rebuild)
    for nth in range(1, 6):
        run.fire(clock(run, nth).n)

    run.decide("ask")

    assert run.status == "finished"
    assert targets(run) == []


def test_an_answer_ends_the_reminders_and_one_that_fires_too_late_is_not_stored(rebuild: bool) -> None:
    run = start(Approval("ask", remind_after="1h"), rebuild=rebuild)
    reminder = clock(run, 1).n
    run.paused = True
    run.decide("ask")

    with pytest.raises(WrongState):
        run.fire(reminder)
    run.paused = False
    run.plan()

    assert kinds(run) == ["started", "decided"]
    assert run.status == "finished"


@pytest.mark.feature("approval.retries")
def test_each_time_it_is_asked_the_times_begin_anew(rebuild: bool) -> None:
    run = start(Approval("ask", retries=1, remind_after="1h", reminders=2, **LATER), rebuild=rebuild)
    run.fire(clock(run, 1).n)
    run.fire(clock(run, ESCALATION).n)

    run.decide("ask", approved=False)

    assert targets(run) == [ESCALATION, 1]
    assert {c.attempt for c in run.work} == {2}
    run.fire(clock(run, 1).n)
    assert run.log[-2].key == "reminded:decided:ask:#2~1"
    assert [entry.data["nth"] for entry in run.said(run.waiting[0]).reminders] == [1]
    assert run.said(run.waiting[0]).escalation is None


def test_a_reminder_beside_other_work_does_not_disturb_it(rebuild: bool) -> None:
    tree = Parallel[Sequence[Approval("ask", remind_after="1h", async_=True), task("next")], task("side")]
    run = start(tree, rebuild=rebuild)
    before = [command.n for command in run.work if command.kind == "run"]

    run.fire(clock(run, 1).n)

    assert [command.n for command in run.work if command.kind == "run"] == before
    assert [row.node for row in run.waiting] == ["ask"]


def test_a_timer_of_a_question_that_got_lost_is_set_again(rebuild: bool) -> None:
    run = start(Approval("ask", remind_after="1h", timeout="3h", **LATER), rebuild=rebuild)

    for target in (1, ESCALATION, 0):
        run.lose(clock(run, target).n)

    assert targets(run) == [ESCALATION, 0, 1]
    run.fire(clock(run, 1).n)
    run.fire(clock(run, 0).n)
    assert run.status == "failed"
    assert run.error is not None
    assert run.error["code"] == "APPROVAL_TIMEOUT"


def test_a_cancelled_run_has_no_reminders_left(rebuild: bool) -> None:
    run = start(Approval("ask", remind_after="1h", **LATER), rebuild=rebuild)

    run.cancel()

    assert (run.status, run.work) == ("cancelled", [])


def test_a_node_that_is_to_run_again_loses_the_reminders_of_its_question(rebuild: bool) -> None:
    run = start(Sequence[task("first"), Approval("ask", remind_after="1h", **LATER)], rebuild=rebuild)
    run.finish(run.work[0].n, Out())

    run.retry("first")

    assert targets(run) == []
    run.finish(run.work[0].n, Out())
    assert targets(run) == [ESCALATION, 1]


def test_reminders_are_told_as_events() -> None:
    run = start(Approval("ask", remind_after="1h", **LATER))
    run.fire(clock(run, 1).n)
    run.fire(clock(run, ESCALATION).n)

    told = {event.type: event.fields for event in events_of(run.log)}

    assert told["ApprovalReminded"] == {"reminder": 1}
    assert told["ApprovalEscalated"] == {"users": ["boss"], "scopes": ["chiefs"]}
    created = [e.fields["timerType"] for e in events_of(run.log) if e.type == "TimerCreated"]
    assert created == ["reminder", "escalation"]


def test_reminders_fire_on_the_way_to_what_comes_then(run: Any) -> None:
    ended = run(
        Sequence[
            Approval(
                "ask",
                remind_after="200ms",
                reminders=2,
                escalate_after="300ms",
                escalate_to=["boss"],
                timeout="1s",
                on_timeout="approve",
            ),
            task("after"),
        ]
    )

    assert (ended.status, ended.started) == ("finished", ["after"])
    log = ended.store.entries(ended.run_id) if hasattr(ended, "store") else ended.run.log
    told = [entry.kind for entry in log if entry.kind in ("reminded", "escalated", "fired")]
    assert sorted(told) == ["escalated", "fired", "reminded", "reminded"]


def test_reminders_alone_do_not_keep_a_simulation_going() -> None:
    ended = simulate(start(Approval("ask", remind_after="1h", reminders=UNLIMITED)).workflow)

    assert (ended.status, ended.waiting) == ("waiting-approval", ["ask"])


# a decision by default


def test_without_an_answer_in_time_it_may_be_approved_by_default(run: Any) -> None:
    ended = run(Sequence[Approval("ship", timeout="1s", on_timeout="approve", quorum=2), task("after")])

    assert (ended.status, ended.state("ship"), ended.started) == ("finished", "finished", ["after"])
    assert ended.output(Decision, "ship") == Decision(approved=True, note="approved by default: nobody decided in time")


def test_without_an_answer_in_time_something_may_be_chosen_by_default(run: Any) -> None:
    def make(ctx: Context[Any]) -> Child:
        def chosen() -> Child:
            plan = ctx.output(ApprovalSelection, "plan").selected
            return task(
                f"{plan}-{'-'.join(ctx.output(ApprovalRanking, 'order').ranked)}-{ctx.output(Review, 'ask').score}"
            )

        late: Any = {"timeout": "300ms", "on_timeout": "default"}
        return Sequence[
            Approval("plan", mode="select", options=["fast", "safe"], default="safe", **late),
            Approval("order", mode="rank", options=["a", "b"], default=["b", "a"], **late),
            HumanTask("ask", output=Review, prompt="?", default=Review(score=4), **late),
            chosen,
        ]

    ended = run(make)

    assert (ended.status, ended.started) == ("finished", ["safe-b-a-4"])
    assert ended.output(ApprovalSelection, "plan").notes == "chosen by default: nobody decided in time"
    assert ended.output(Review, "ask") == Review(score=4)


# escalation


@pytest.mark.feature("approval.allowedUsers", "approval.allowedScopes")
@pytest.mark.parametrize(
    ("by", "scopes", "may"),
    [("boss", [], True), ("eve", ["chiefs"], True), ("ann", ["ops"], True), ("ann", [], False), ("eve", [], False)],
)
def test_after_a_while_others_may_decide_in_addition(by: str, scopes: list[str], may: bool, rebuild: bool) -> None:
    question = Approval("ask", allowed_users=["ann"], allowed_scopes=["ops"], **LATER)
    run = start(question, rebuild=rebuild)
    run.fire(clock(run, ESCALATION).n)

    if may:
        run.decide("ask", by=by, scopes=scopes)
    else:
        with pytest.raises(AnswerRefused, match="may not decide this"):
            run.decide("ask", by=by, scopes=scopes)

    assert (run.status == "finished") == may


@pytest.mark.feature("approval.allowedUsers")
def test_before_that_they_may_not(rebuild: bool) -> None:
    run = start(Approval("ask", allowed_users=["ann"], **LATER), rebuild=rebuild)

    with pytest.raises(AnswerRefused, match="it is for ann"):
        run.decide("ask", by="boss")
    run.fire(clock(run, ESCALATION).n)
    with pytest.raises(AnswerRefused, match="it is for ann and boss"):
        run.decide("ask", by="eve")

    assert run.decide("ask", by="boss").is_final


def test_an_escalation_counts_before_anybody_has_planned_for_it() -> None:
    run = start(HumanTask("ask", output=Review, prompt="?", allowed_users=["ann"], **LATER))
    run.paused = True
    run.fire(clock(run, ESCALATION).n)

    assert run.answer("ask", Review(score=2), by="boss").is_final


# delegation


@pytest.mark.feature("approval.allowedScopes")
def test_who_was_handed_a_question_needs_neither_name_nor_scope(rebuild: bool) -> None:
    run = start(HumanTask("ask", output=Review, prompt="?", allowed_scopes=["ops"]), rebuild=rebuild)
    with pytest.raises(AnswerRefused, match="it needs the scope ops"):
        run.delegate("ask", "cid", by="ann")

    run.delegate("ask", "cid", by="ann", scopes=["ops"])

    with pytest.raises(AnswerRefused, match="it needs the scope ops"):
        run.answer("ask", Review(score=2), by="eve")
    assert run.answer("ask", Review(score=2), by="cid").is_final


@pytest.mark.feature("approval.allowedUsers")
def test_who_hands_it_on_does_not_decide_it_and_the_other_does(rebuild: bool) -> None:
    run = start(Approval("ask", allowed_users=["ann", "bob"]), rebuild=rebuild)

    run.delegate("ask", "cid", by="ann", note="on leave")

    with pytest.raises(AnswerRefused, match="ann has handed this to cid"):
        run.decide("ask", by="ann")
    with pytest.raises(AnswerRefused, match="it is for bob and cid"):
        run.decide("ask", by="eve")
    run.delegate("ask", "dan", by="cid")
    with pytest.raises(AnswerRefused, match="cid has handed this to dan"):
        run.decide("ask", by="cid")
    assert run.decide("ask", by="dan").is_final
    told = [entry.data for entry in run.log if entry.kind == "delegated"]
    assert [(one["by"], one["to"], one["note"]) for one in told] == [("ann", "cid", "on leave"), ("cid", "dan", None)]


@pytest.mark.feature("approval.allowedUsers")
def test_it_may_be_handed_back(rebuild: bool) -> None:
    run = start(Approval("ask", allowed_users=["ann"]), rebuild=rebuild)
    run.delegate("ask", "cid", by="ann")

    run.delegate("ask", "ann", by="cid")

    with pytest.raises(AnswerRefused, match="cid has handed this to ann"):
        run.decide("ask", by="cid")
    assert run.decide("ask", by="ann").is_final


@pytest.mark.parametrize(
    ("by", "to", "code"),
    [
        ("eve", "cid", "NOT_ALLOWED"),
        ("ann", "ann", "INVALID_DELEGATE"),
        ("ann", " ", "INVALID_DELEGATE"),
        ("ann", "bob", "INVALID_DELEGATE"),
        ("vic", "cid", "ALREADY_VOTED"),
    ],
)
def test_a_delegation_that_makes_no_sense_is_refused_and_not_stored(by: str, to: str, code: str) -> None:
    run = start(Approval("ask", allowed_users=["ann", "bob", "vic"], quorum=2))
    run.decide("ask", by="vic")
    before = len(run.log)

    with pytest.raises(AnswerRefused) as refused:
        run.delegate("ask", to, by=by)

    assert refused.value.data["code"] == code
    assert len(run.log) == before


def test_a_vote_does_not_count_for_two_by_handing_the_question_to_who_has_voted() -> None:
    run = start(Approval("ask", quorum=2))
    run.decide("ask", by="vic")

    with pytest.raises(AnswerRefused, match="vic has approved this already"):
        run.delegate("ask", "vic", by="ann")


@pytest.mark.feature("approval.allowedUsers")
def test_a_delegation_is_for_this_time_that_it_is_asked(rebuild: bool) -> None:
    run = start(Approval("ask", allowed_users=["ann"], retries=1), rebuild=rebuild)
    run.delegate("ask", "cid", by="ann")
    run.decide("ask", by="cid", approved=False)

    with pytest.raises(AnswerRefused, match="it is for ann"):
        run.decide("ask", by="cid")
    assert run.decide("ask", by="ann").is_final


def test_what_is_decided_cannot_be_handed_on() -> None:
    run = start(Sequence[Approval("ask"), task("after")])
    run.decide("ask")

    with pytest.raises(WrongState):
        run.delegate("ask", "cid")


# votes that change


def test_a_vote_may_be_taken_back_while_more_must_approve(rebuild: bool) -> None:
    run = start(Approval("ship", quorum=2), rebuild=rebuild)
    run.decide("ship", by="ann")

    run.withdraw("ship", by="ann")

    assert not run.decide("ship", by="bob").is_final
    assert run.status == "waiting-approval"
    assert run.decide("ship", by="ann").is_final
    assert run.output(Decision, "ship").decided_by == "bob, ann"


def test_a_vote_may_be_given_in_other_words_and_counts_once(rebuild: bool) -> None:
    run = start(Approval("ship", quorum=2), rebuild=rebuild)
    run.decide("ship", by="ann", note="fine")

    changed = run.decide("ship", by="ann", note="fine, but slow")
    with pytest.raises(AnswerRefused, match="ann has approved this already"):
        run.decide("ship", by="ann", note="fine, but slow")
    run.decide("ship", by="bob")

    assert (changed.votes, changed.is_final) == (1, False)
    assert run.output(Decision, "ship").note == "ann: fine, but slow"


def test_a_vote_may_become_a_denial(rebuild: bool) -> None:
    run = start(Approval("ship", quorum=3), rebuild=rebuild)
    run.decide("ship", by="ann")

    assert run.decide("ship", by="ann", approved=False).is_final

    assert run.status == "failed"


def test_there_must_be_a_vote_to_take_back() -> None:
    run = start(Approval("ship", quorum=2))
    run.decide("ship", by="ann")

    with pytest.raises(AnswerRefused) as refused:
        run.withdraw("ship", by="bob")
    run.decide("ship", by="bob")
    with pytest.raises(WrongState):
        run.withdraw("ship", by="ann")

    assert refused.value.data["code"] == "NOT_VOTED"
