"""Approve, deny, cancel, retry: facts in the store, with nothing running."""

from __future__ import annotations

import pytest

from smithers.errors import WrongState
from smithers.views.approvals import Answer, decide
from smithers.worker.prepare import reopen
from tests.unit.cli.flows import polish, release, two_gates
from tests.unit.cli.stage import Stage


@pytest.fixture
def waiting(stage: Stage) -> Stage:
    stage.start(release, "r1")
    stage.end("r1", "build")
    return stage


@pytest.mark.feature("approvals.key")
@pytest.mark.feature("cli.approve.record", "cli.deny.record", "cli.approve.by", "cli.approve.note")
@pytest.mark.feature("approval.cli.approve", "approval.cli.deny", "approvals.cli", "resume.approval.cli")
@pytest.mark.parametrize(("command", "approved"), [("approve", True), ("deny", False)])
def test_a_decision_is_recorded_with_who_and_why(waiting: Stage, command: str, approved: bool):
    answer = waiting.call(command, "r1", "publish", "--by", "bob", "--note", "fine", "--format", "json")

    assert answer.status == 0
    assert answer.json["woken"] is False
    data = waiting.store.entries_by_key("r1", "decided:publish:")[0].data
    assert (data["approved"], data["by"], data["note"]) == (approved, "bob", "fine")


@pytest.mark.feature("cli.approve.record", "cli.deny.record")
@pytest.mark.parametrize(("command", "told"), [("approve", "✓ approved"), ("deny", "✗ denied")])
def test_a_person_is_told_what_was_decided(waiting: Stage, command: str, told: str):
    assert waiting.call(command, "r1").out.startswith(f'{told} publish of r1 "Ship it?" by ann')


@pytest.mark.feature("cli.approve.node")
def test_where_a_node_is_given_the_first_word_is_a_run(waiting: Stage):
    answer = waiting.call("approve", "publish", "publish", "--json")

    assert (answer.status, answer.error["code"]) == (4, "RUN_NOT_FOUND")
    assert waiting.store.entries_by_key("r1", "decided:") == []


def test_the_only_waiting_approval_of_the_newest_run_needs_no_name(waiting: Stage):
    answer = waiting.call("approve")

    assert answer.status == 0
    assert 'publish of r1 "Ship it?" by ann' in answer.out
    assert "smithers up --resume r1" in answer.err


@pytest.mark.feature("approvals.audit")
def test_an_approval_is_used_once_and_the_second_is_told_who_and_when(waiting: Stage):
    waiting.call("approve", "r1", "publish", "--by", "bob", "--note", "mine")

    answer = waiting.call("deny", "r1", "publish", "--json")

    assert answer.status == 4
    assert answer.error["code"] == "ALREADY_DECIDED"
    assert answer.error["data"]["by"] == "bob"
    assert "'publish' was approved by bob at 20" in answer.error["message"]
    assert len(waiting.store.entries_by_key("r1", "decided:")) == 1


def test_a_decided_approval_is_not_pending_before_anybody_has_planned(waiting: Stage):
    waiting.call("approve")

    assert waiting.call("inspect", "--json").json["pendingApprovals"] == []
    assert "'publish' was approved by ann" in waiting.call("why").out
    assert "'publish' was approved by ann" in waiting.call("approve").err


@pytest.mark.feature("cli.approve.node")
def test_several_waiting_approvals_are_listed_and_none_is_guessed(stage: Stage):
    stage.start(two_gates, "r1")

    answer = stage.call("approve", "r1", "--json")

    assert answer.status == 4
    assert {one["nodeId"] for one in answer.error["data"]["pending"]} == {"legal", "budget"}
    assert stage.call("approve", "r1", "legal").status == 0
    assert stage.call("approve", "r1").status == 0


@pytest.mark.feature("cli.global.exit4")
@pytest.mark.parametrize(
    "words", [("nosuch",), ("r1", "publsh"), ("r1", "build"), ("r1", "publish", "--iteration", "7")]
)
def test_what_cannot_be_approved_is_wrong_use(waiting: Stage, words: tuple[str, ...]):
    answer = waiting.call("approve", *words)

    assert answer.status == 4
    assert answer.err.startswith("error: ")


def test_a_node_alone_means_that_of_the_newest_run(waiting: Stage):
    assert waiting.call("approve", "publish").status == 0


@pytest.mark.feature("cli.approve.node", "cli.approve.iteration")
def test_the_node_may_be_an_option_as_in_the_reference(waiting: Stage):
    assert waiting.call("deny", "r1", "--node", "publish", "--iteration", "0").status == 0

    assert "'publish' was denied by ann" in waiting.call("why").out


@pytest.mark.feature("cli.cancel.run", "cli.cancel.exit")
def test_cancel_is_a_fact_and_its_exit_status_says_cancelled(waiting: Stage):
    answer = waiting.call("cancel", "r1", "--reason", "wrong branch", "--json")

    assert answer.status == 2
    assert waiting.store.entries_by_key("r1", "cancel")[0].data == {"by": "ann", "reason": "wrong branch"}
    assert waiting.call("cancel", "r1", "--json").json["repeated"] is True
    again = waiting.call("cancel", "r1")
    assert "is to be cancelled (it was asked before)" in again.out
    assert "`smithers up --resume r1` goes on with it" in again.err


def test_a_run_that_has_ended_cannot_be_cancelled(stage: Stage):
    stage.start(release, "r1")
    stage.end("r1", "build", error="no")

    answer = stage.call("cancel", "r1")

    assert answer.status == 4
    assert "it is failed" in answer.err


@pytest.mark.feature("cli.down.all")
def test_down_cancels_what_is_open_and_leaves_the_rest(waiting: Stage):
    waiting.start(release, "r2")
    waiting.start(release, "r3")
    waiting.end("r3", "build", error="no")

    answer = waiting.call("down", "--json")

    assert {run["runId"] for run in answer.json["runs"]} == {"r1", "r2"}


@pytest.mark.feature("cli.retrytask.do", "cli.retrytask.resume", "cli.retrytask.others")
def test_retry_task_opens_a_failed_run_from_its_failed_task(stage: Stage):
    stage.start(release, "r1")
    stage.end("r1", "build", error="no")

    answer = stage.call("retry-task", "r1", "build", "--json")

    assert answer.status == 0
    assert stage.store.run("r1").status == "running"
    kinds = [entry.kind for entry in stage.store.entries("r1")][-2:]
    assert kinds == ["resumed", "retried"]
    stage.plan("r1")
    assert stage.command("r1", "build").attempt == 2


@pytest.fixture
def denied(waiting: Stage) -> Stage:
    """Its run has failed by a denial, and goes on."""
    waiting.call("deny", "r1", "publish", "--by", "bob")
    waiting.plan("r1")
    assert waiting.store.run("r1").status == "failed"
    reopen(waiting.store, waiting.store.run("r1"), "ann")
    waiting.plan("r1")
    return waiting


@pytest.mark.parametrize("command", ["approve", "deny"])
def test_a_denied_approval_is_asked_again_when_its_run_goes_on(denied: Stage, command: str):
    pending = denied.call("inspect", "r1", "--json").json["pendingApprovals"]
    assert [one["nodeId"] for one in pending] == ["publish"]

    assert denied.call(command, "r1", "--note", "second thoughts").status == 0

    first, second = denied.store.entries_by_key("r1", "decided:publish:")
    assert (first.key, second.key) == ("decided:publish:", "decided:publish:#2")
    assert (second.data["approved"], second.data["note"]) == (command == "approve", "second thoughts")
    assert denied.call("inspect", "r1", "--json").json["pendingApprovals"] == []


def test_the_second_answer_is_used_once_too_and_is_the_one_that_is_told(denied: Stage):
    denied.call("approve", "r1", "publish", "--by", "ann")

    answer = denied.call("deny", "r1", "publish", "--json")

    assert (answer.error["code"], answer.error["data"]["by"]) == ("ALREADY_DECIDED", "ann")
    denied.plan("r1")
    assert denied.call("output", "r1", "publish", "--json").json["approved"] is True


def test_two_who_answer_at_once_after_a_denial_are_two_for_one_question(denied: Stage):
    run, row = denied.store.run("r1"), denied.store.node("r1", "publish", "")
    decide(denied.store, run, row, Answer(True, "ann"))

    with pytest.raises(WrongState):
        decide(denied.store, run, row, Answer(False, "bob"))


def test_an_answer_to_the_question_before_is_none_to_this_one(waiting: Stage):
    row = waiting.store.node("r1", "publish", "")
    waiting.call("deny", "r1", "publish")
    waiting.plan("r1")
    reopen(waiting.store, waiting.store.run("r1"), "ann")
    waiting.plan("r1")

    with pytest.raises(WrongState):
        decide(waiting.store, waiting.store.run("r1"), row, Answer(True, "ann"))


def test_retry_task_asks_a_denied_approval_again(waiting: Stage):
    waiting.call("deny", "r1", "publish")
    waiting.plan("r1")

    assert waiting.call("retry-task", "r1", "publish").status == 0
    waiting.plan("r1")

    assert waiting.store.run("r1").status == "waiting-approval"
    assert waiting.call("approve", "r1").status == 0
    assert waiting.store.entries_by_key("r1", "decided:")[-1].key == "decided:publish:#2"


def test_a_pass_is_not_run_again_while_the_next_one_runs(stage: Stage):
    stage.start(polish, "r1")
    stage.end("r1", "review")

    answer = stage.call("retry-task", "r1", "review", "--iteration", "0")

    assert answer.status == 4
    assert "review #1 began after it and is running" in answer.err


@pytest.mark.feature("approvals.lifecycle", "approvals.request-record", "approvals.storage", "approvals.key")
def test_what_is_kept_of_an_approval_from_its_request_to_the_decision(stage: Stage):
    def state() -> str:
        return stage.store.node("r1", "publish").state

    stage.start(release, "r1")
    seen = [state()]
    stage.end("r1", "build")
    seen.append(state())
    asked = stage.store.node("r1", "publish")
    assert ((asked.detail or {})["title"], asked.first_ms > 0) == ("Ship it?", True)
    assert stage.store.entries_by_key("r1", "decided:") == []

    stage.call("approve", "r1", "publish", "--by", "bob", "--note", "fine")
    (decided,) = stage.store.entries_by_key("r1", "decided:")
    stage.plan("r1")

    assert [*seen, state()] == ["pending", "waiting-approval", "finished"]
    assert (decided.data["node"], decided.data["iteration"], decided.at_ms >= asked.first_ms) == ("publish", "", True)
    assert (decided.data["approved"], decided.data["by"], decided.data["note"]) == (True, "bob", "fine")
    assert stage.store.run("r1").status == "running"
