"""What people are asked, as commands show it and take the answers: with nothing running."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from smithers.engine.entry import Fact, OpenCommand, decided_key
from smithers.store.records import Append
from tests.unit.cli.flows import automatic, guarded, labelled, planned, release, reviewed, rounds, strict
from tests.unit.cli.stage import Stage


@pytest.fixture
def review(stage: Stage) -> Stage:
    stage.start(reviewed, "r1")
    return stage


def expire(stage: Stage, run_id: str, node: str) -> None:
    """What the timer's step does when it fires."""
    n = stage.command(run_id, node).n
    fact = Fact("fired", decided_key(node, ""), {"n": n, "node": node, "iteration": ""}, OpenCommand(n))
    assert stage.store.append(Append(run_id, (fact,))).outcomes == ("stored",)


@pytest.mark.feature("cli.human.inbox", "cli.human.inbox-json", "inbox.human.list", "humantask.request-id")
def test_the_inbox_lists_what_waits_over_all_runs(review: Stage) -> None:
    review.start(planned, "r2")
    review.start(release, "r3")

    requests = review.call("human", "inbox", "--format", "json").json["requests"]

    assert [one["requestId"] for one in requests] == ["human:r1:review:0", "human:r2:plan:0"]
    first = requests[0]
    assert (first["runId"], first["workflowName"], first["nodeId"], first["kind"]) == (
        "r1",
        "reviewed",
        "review",
        "human",
    )
    assert (first["prompt"], first["status"]) == ("How good is it?\nBe strict.", "pending")
    assert (first["nodeLabel"], first["runStatus"]) == ("human:review", "waiting-approval")
    assert first["schema"]["required"] == ["score"]
    assert first["timeoutAtMs"] == review.command("r1", "review").due_ms
    assert requests[1]["timeoutAtMs"] is None
    assert (requests[1]["prompt"], requests[1]["nodeLabel"]) == ("Which?", "Which?")
    assert requests[1]["ageMs"] >= 0


@pytest.mark.feature("cli.human.inbox")
def test_people_are_asked_by_the_title_and_not_by_the_label(stage: Stage) -> None:
    stage.start(labelled, "r1")

    (request,) = stage.call("human", "inbox", "--json").json["requests"]

    assert (request["prompt"], request["nodeLabel"]) == ("Ship it?", "shipping")
    for command in ("inspect", "why"):
        assert "Ship it?" in stage.call(command, "r1").out


@pytest.mark.feature("cli.human.inbox")
def test_the_inbox_says_how_each_request_is_answered(review: Stage) -> None:
    review.start(planned, "r2")

    lines = review.call("human", "inbox").out.splitlines()

    assert lines[-2:] == [
        """smithers human answer human:r1:review:0 --value '{"score": ...}'""",
        "smithers approve r2 plan --choice fast|safe",
    ]
    assert [line.split()[0] for line in lines[1:3]] == ["human:r1:review:0", "human:r2:plan:0"]


@pytest.mark.feature("cli.human.inbox")
@pytest.mark.parametrize(
    ("words", "count"), [(("--run-id", "r2"), 1), (("--workflow", "planned"), 1), (("--workflow", "other"), 0), ((), 2)]
)
def test_the_inbox_can_be_narrowed(review: Stage, words: tuple[str, ...], count: int) -> None:
    review.start(planned, "r2")

    assert len(review.call("human", "inbox", *words, "--json").json["requests"]) == count


@pytest.mark.feature("cli.human.answer", "cli.human.answer-by", "cli.human.answer-bridge", "inbox.human.answer")
@pytest.mark.feature("humantask.submit.human-cli")
@pytest.mark.parametrize("words", [("human:r1:review:0",), ("r1", "review"), ("r1",), ()])
def test_an_answer_is_stored_and_needs_no_approval(review: Stage, words: tuple[str, ...]) -> None:
    answer = review.call("human", "answer", *words, "--value", '{"score": 4}', "--by", "bob", "--json")

    assert answer.status == 0
    assert (answer.json["nodeId"], answer.json["by"], answer.json["value"]) == ("review", "bob", {"score": 4})
    assert review.call("human", "inbox").out == "Nothing waits for a person.\n"
    review.plan("r1")
    assert review.store.node("r1", "review").state == "finished"
    assert review.call("output", "r1", "review", "--json").json == {"score": 4, "words": "none"}
    assert review.command("r1", "after").kind == "run"


@pytest.mark.feature("cli.human.answer")
@pytest.mark.parametrize("given", ["-", "@-", "@answer.json"])
def test_an_answer_may_come_from_standard_input_or_a_file(
    review: Stage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, given: str
) -> None:
    (tmp_path / "answer.json").write_text('{"score": 5}')
    monkeypatch.setattr("sys.stdin", io.StringIO('{"score": 5}'))

    answer = review.call("human", "answer", "human:r1:review:0", "--value", given)

    assert answer.status == 0, answer.err
    assert review.store.entries_by_key("r1", "decided:review:")[0].data["value"] == {"score": 5}


@pytest.mark.feature("humantask.submit.approve", "humantask.note-storage")
def test_a_human_task_takes_its_answer_from_the_note_of_an_approval(review: Stage) -> None:
    refused = review.call("approve", "r1", "review", "--note", '{"score": NaN}', "--json")
    assert (refused.status, refused.error["code"]) == (4, "INVALID_ANSWER")
    assert refused.error["message"].startswith("The answer is not JSON: NaN is not JSON.")

    assert review.call("approve", "r1", "review", "--note", '{"score": 3}').status == 0

    data = review.store.entries_by_key("r1", "decided:review:")[0].data
    assert (data["value"], data["note"]) == ({"score": 3}, '{"score": 3}')


@pytest.mark.feature("cli.human.answer-schema", "humantask.exhausted")
def test_an_answer_that_does_not_fit_is_refused_with_its_fields_and_counted(review: Stage) -> None:
    first = review.call("human", "answer", "r1", "--value", '{"scor": "x"}', "--json")

    assert first.status == 4
    assert (first.error["code"], first.error["data"]["fields"]) == ("INVALID_ANSWER", ["score", "scor"])
    assert "One more answer may be given." in first.error["message"]
    assert len(review.call("human", "inbox", "--json").json["requests"]) == 1

    second = review.call("human", "answer", "r1", "--value", "[]")

    assert (second.status, "nobody is asked again" in second.err) == (4, True)
    assert review.call("human", "inbox", "--json").json["requests"] == []
    review.plan("r1")
    assert review.store.run("r1").status == "failed"
    assert "HUMAN_ATTEMPTS_EXHAUSTED" in review.call("why", "r1").out
    events = [event["type"] for event in review.call("events", "r1", "--json").records]
    assert events.count("AnswerRefused") == 2


@pytest.mark.feature("cli.human.answer-exit4", "inbox.human.answeronce")
def test_what_is_not_asked_cannot_be_answered(review: Stage) -> None:
    review.start(release, "r2")
    cases: list[tuple[tuple[str, ...], str]] = [
        (("human:nosuch:review:0",), "nosuch"),
        (("human:r1:nosuch:0",), "nosuch"),
        (("human:r1:review:3",), "review"),
        (("human:r1",), "is no request id"),
        (("human:r1:review:0", "review"), "names the node"),
        (("r2", "build"), "waits for no answer: it is a task and is running"),
        (("r2",), "Nothing waits"),
    ]
    for words, told in cases:
        answer = review.call("human", "answer", *words, "--value", '{"score": 1}')
        assert (answer.status, told in answer.err) == (4, True), answer.err
    review.call("human", "answer", "r1", "--value", '{"score": 1}', "--by", "bob")
    again = review.call("human", "answer", "human:r1:review:0", "--value", '{"score": 2}')
    assert (again.status, "was answered by bob" in again.err) == (4, True)


@pytest.mark.feature("cli.global.exit4")
@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("good", "line 1, column 1: Expecting value.\n  good\n  ^\nA text needs quotes of its own: '\"text\"'."),
        ('{"score": }', 'column 11: Expecting value.\n  {"score": }\n            ^'),
        ('{"score": NaN}', "NaN is not JSON"),
        ('{"score":' * 100_000, "nested too deeply"),
        ("@none.json", "--value @none.json: none.json cannot be read"),
    ],
)
def test_a_value_that_is_no_json_is_wrong_use_and_not_counted(review: Stage, value: str, told: str) -> None:
    answer = review.call("human", "answer", "r1", "--value", value)

    assert (answer.status, told in answer.err.replace("\n" + " " * len("error: "), "\n")) == (4, True), answer.err
    assert review.store.entries_by_key("r1", "rejected:") == []
    assert review.call("human", "answer", "r1").status == 4


@pytest.mark.feature("cli.human.cancel", "cli.human.cancel-by", "cli.human.cancel-bridge", "inbox.human.cancel")
def test_a_cancelled_request_fails_its_task_with_the_reason(review: Stage) -> None:
    answer = review.call("human", "cancel", "human:r1:review:0", "--by", "bob", "--reason", "no time", "--json")

    assert (answer.status, answer.json["approved"]) == (0, False)
    review.plan("r1")
    error = review.store.run("r1").error or {}
    assert (error["code"], error["message"]) == ("HUMAN_TASK_CANCELLED", "bob cancelled 'human:review': no time")
    again = review.call("human", "cancel", "human:r1:review:0")
    assert (again.status, "was cancelled by bob" in again.err) == (4, True)


@pytest.mark.feature("inbox.human.states", "inbox.human.expire")
def test_an_answer_after_the_time_is_over_is_told_so(review: Stage) -> None:
    expire(review, "r1", "review")

    answer = review.call("human", "answer", "r1", "review", "--value", '{"score": 1}', "--json")

    assert (answer.status, answer.error["code"]) == (4, "ALREADY_DECIDED")
    assert "Nobody had answered 'review' when its time was over" in answer.error["message"]
    assert (answer.error["data"]["approved"], answer.error["data"]["by"]) == (False, None)
    assert review.call("human", "inbox", "--json").json["requests"] == []
    assert "Nobody had answered" in review.call("why", "r1").out
    review.plan("r1")
    assert (review.store.run("r1").error or {})["code"] == "APPROVAL_TIMEOUT"
    assert "ApprovalExpired" in [event["type"] for event in review.call("events", "r1", "--json").records]


def test_the_group_alone_names_its_commands(stage: Stage) -> None:
    answer = stage.call("human")

    assert (answer.status, "`smithers human inbox`" in answer.err) == (4, True)
    assert "human answer" in stage.call("--help").out


@pytest.mark.feature("approval.mode.select", "hitl.select")
def test_a_choice_is_stored_and_shown(stage: Stage) -> None:
    stage.start(planned, "r1")

    wrong = stage.call("approve", "r1", "plan", "--choice", "fsat", "--json")
    done = stage.call("approve", "r1", "plan", "--choice", "fast", "--note", "hurry", "--json")

    assert (wrong.status, wrong.error["code"], wrong.error["data"]["options"]) == (
        4,
        "INVALID_CHOICE",
        ["fast", "safe"],
    )
    assert (done.status, done.json["selected"]) == (0, "fast")
    stage.plan("r1")
    assert stage.call("output", "r1", "plan", "--json").json == {"selected": "fast", "notes": "hurry"}
    assert "'plan' was decided for 'fast' by ann" in stage.call("approve", "r1", "plan").err


@pytest.mark.feature("approval.mode.rank", "hitl.rank")
def test_a_ranking_is_stored_and_shown(stage: Stage) -> None:
    stage.start(planned, "r1")
    stage.call("approve", "r1", "plan", "--choice", "safe")
    stage.plan("r1")

    assert stage.call("approve", "r1", "--rank", "a,b").status == 4
    assert stage.call("approve", "r1", "--rank", "c, a, b").status == 0

    stage.plan("r1")
    assert stage.call("output", "r1", "order", "--json").json == {"ranked": ["c", "a", "b"], "notes": None}
    assert stage.store.run("r1").status == "finished"


@pytest.mark.feature("approval.allowedUsers", "approval.allowedScopes")
def test_who_may_not_decide_is_refused_and_seen_and_the_rest_must_agree(stage: Stage) -> None:
    stage.start(guarded, "r1")

    eve = stage.call("approve", "r1", "ship", "--by", "eve", "--scope", "ops", "--json")
    assert (eve.status, eve.error["code"]) == (4, "NOT_ALLOWED")
    assert "it is for ann, bob and cid" in eve.error["message"]
    assert stage.call("deny", "r1", "ship", "--by", "bob").status == 4
    first = stage.call("approve", "r1", "ship", "--scope", "ops", "--json")
    assert (first.json["final"], first.json["votes"], first.json["quorum"]) == (False, 1, 2)
    asked = stage.call("why", "r1").out
    assert "2 people must approve, 1 so far: ann did" in asked
    assert "for ann, bob or cid" in asked
    assert "needs the scope ops" in asked
    assert stage.call("approve", "r1", "ship", "--scope", "ops").status == 4
    last = stage.call("approve", "r1", "ship", "--by", "cid", "--scope", "dev", "--scope", "ops", "--json")

    assert (last.status, last.json["final"]) == (0, True)
    stage.plan("r1")
    assert stage.store.run("r1").status == "finished"
    types = [event["type"] for event in stage.call("events", "r1", "--json").records]
    assert (types.count("AnswerRefused"), types.count("ApprovalVoted"), types.count("ApprovalGranted")) == (2, 1, 1)


@pytest.mark.feature("event.ApprovalAutoApproved")
def test_an_automatic_approval_is_seen(stage: Stage) -> None:
    stage.start(automatic, "r1")

    types = [event["type"] for event in stage.call("events", "r1", "--json").records]

    assert stage.store.run("r1").status == "finished"
    assert "ApprovalAutoApproved" in types
    assert stage.call("output", "r1", "ship", "--json").json == {
        "approved": True,
        "note": "auto-approved",
        "decidedBy": None,
    }


@pytest.mark.feature("hitl.inspect", "approvals.request-exposed")
@pytest.mark.parametrize("command", ["inspect", "why"])
def test_all_that_is_asked_is_shown_with_what_to_type(stage: Stage, command: str) -> None:
    stage.start(planned, "r1")

    out = stage.call(command, "r1").out

    assert 'plan waits for a choice: "Which?"' in out
    for words in ("They differ.", "fast: The fast one - costs more", "safe", "cost: 7"):
        assert words in out
    assert "smithers approve r1 plan --choice fast|safe" in out


@pytest.mark.feature("approvals.request-exposed")
def test_programs_see_the_whole_request(stage: Stage) -> None:
    stage.start(planned, "r1")

    (shown,) = stage.call("inspect", "r1", "--json").json["pendingApprovals"]

    assert (shown["requestId"], shown["mode"], shown["metadata"]) == ("human:r1:plan:0", "select", {"cost": 7})
    assert [option["key"] for option in shown["options"]] == ["fast", "safe"]


@pytest.mark.feature("humantask.invalid-retry", "humantask.request-id.stable")
def test_a_person_is_told_what_was_wrong_with_the_last_answer(stage: Stage) -> None:
    stage.start(strict, "r1")
    stage.call("human", "answer", "r1", "--value", '{"score": 3}')
    stage.plan("r1")

    assert "the last answer did not fit: score: Value error, odd scores are not given" in stage.call("why", "r1").out
    assert stage.call("human", "answer", "human:r1:review:0", "--value", '{"score": 4}').status == 0
    stage.plan("r1")
    assert stage.store.run("r1").status == "finished"


@pytest.mark.feature("cli.human.inbox")
def test_a_loop_names_the_pass_in_its_request(stage: Stage) -> None:
    stage.start(rounds, "r1")
    stage.call("approve", "r1", "ask")
    stage.plan("r1")

    (waiting,) = stage.call("human", "inbox", "--json").json["requests"]

    assert waiting["requestId"] == "human:r1:ask:1"
    assert "smithers approve r1 ask --iteration 1" in stage.call("human", "inbox").out
    assert stage.call("human", "cancel", "human:r1:ask:1").status == 0
