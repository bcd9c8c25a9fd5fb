"""Reminders, escalation, delegation and votes taken back, as commands show them and take them: with nothing running."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from smithers.engine.answer import Answer
from smithers.engine.command import ESCALATION
from smithers.engine.nudges import nudge
from smithers.store.deciding import decide, withdraw
from smithers.store.records import Append
from tests.unit.cli.flows import followed, release
from tests.unit.cli.stage import Stage

pytestmark = pytest.mark.decision("0025")


@pytest.fixture
def ship(stage: Stage) -> Stage:
    stage.start(followed, "r1")
    return stage


def fire(stage: Stage, target: int) -> None:
    """What the timer's step does when it fires."""
    rows = stage.store.open_commands("r1")
    n = next(row.command.n for row in rows if row.command.target == target)
    fact = nudge(stage.store.command("r1", n)[0].command)
    assert stage.store.append(Append("r1", (fact,))).outcomes == ("stored",)
    stage.plan("r1")


def request(stage: Stage) -> Any:
    (found,) = stage.call("human", "inbox", "--json").json["requests"]
    return found


def test_reminders_and_escalation_are_in_sight(ship: Stage) -> None:
    assert request(ship)["reminders"] == {"count": 0, "most": 2, "lastAt": None}
    fire(ship, 1)
    fire(ship, 2)
    fire(ship, ESCALATION)

    for words in (("human", "inbox"), ("inspect", "r1"), ("why", "r1")):
        out = ship.call(*words).out
        assert "reminded 2 times, last " in out
        assert "boss may decide, too" in out
    for shown in (
        request(ship),
        ship.call("inspect", "r1", "--json").json["pendingApprovals"][0],
        ship.call("why", "r1", "--json").json["reasons"][0],
    ):
        assert shown["reminders"]["count"] == 2
        assert shown["reminders"]["lastAt"].endswith("Z")
        assert (shown["escalated"]["users"], shown["escalated"]["scopes"]) == (["boss"], [])
    assert request(ship)["timeoutAtMs"] is not None
    assert ship.call("approve", "r1", "--by", "boss").status == 0
    types = [event["type"] for event in ship.call("events", "r1", "--json").records]
    assert (types.count("ApprovalReminded"), types.count("ApprovalEscalated")) == (2, 1)


def test_the_end_of_the_wait_is_not_one_of_its_reminders(ship: Stage) -> None:
    due = request(ship)["timeoutAtMs"]

    ends = [row.command for row in ship.store.open_commands("r1") if row.command.target == 0]

    assert [command.due_ms for command in ends] == [due]
    assert [reason["kind"] for reason in ship.call("why", "r1", "--json").json["reasons"]] == ["approval"]


@pytest.mark.parametrize("words", [("human:r1:ship:0",), ("r1", "ship"), ("ship",), ()])
def test_a_request_is_handed_on(ship: Stage, words: tuple[str, ...]) -> None:
    done = ship.call("human", "delegate", *words, "--to", "cid", "--by", "ann", "--note", "on leave", "--json")

    said = done.json
    assert (done.status, said["runId"], said["nodeId"], said["iteration"]) == (0, "r1", "ship", "0")
    assert (said["by"], said["to"], said["note"]) == ("ann", "cid", "on leave")
    assert request(ship)["delegations"] == [{"by": "ann", "to": "cid", "note": "on leave", "at": said["at"]}]
    assert "ann has handed it to cid" in ship.call("why", "r1").out
    refused = ship.call("approve", "r1", "--by", "ann", "--json")
    assert (refused.status, refused.error["code"]) == (4, "NOT_ALLOWED")
    assert "has handed this to cid" in refused.error["message"]
    assert ship.call("approve", "r1", "--by", "cid").status == 0
    assert ship.call("approve", "r1", "--by", "bob").status == 0
    ship.plan("r1")
    assert ship.store.run("r1").status == "finished"


def test_a_person_reads_what_was_handed_on_and_taken_back(ship: Stage) -> None:
    handed = ship.call("human", "delegate", "r1", "--to", "cid", "--by", "ann")
    ship.call("approve", "r1", "--by", "cid")
    back = ship.call("human", "withdraw", "r1", "--by", "cid")

    assert handed.out == '→ ann has handed ship of r1 "Ship it?" to cid\n'
    assert back.out == '↷ cid has taken back the approval of ship of r1 "Ship it?"\n'


def test_what_cannot_be_handed_on_is_refused_with_the_state_it_is_in(ship: Stage) -> None:
    ship.start(release, "r2")
    cases: list[tuple[tuple[str, ...], str]] = [
        (("r1", "nosuch", "--to", "cid"), "nosuch"),
        (("nosuch", "ship", "--to", "cid"), "nosuch"),
        (("r1", "ship", "--to", "cid", "--by", "eve"), "eve may not decide this"),
        (("r1", "ship", "--to", "bob", "--by", "ann"), "bob may decide this already"),
        (("r2", "build", "--to", "cid"), "waits for no answer: it is a task and is running"),
        (("r2", "--to", "cid"), "Nothing waits"),
    ]
    for words, told in cases:
        answer = ship.call("human", "delegate", *words)
        assert (answer.status, told in answer.err) == (4, True), answer.err
    assert ship.store.entries_by_key("r1", "decided:") == []

    ship.call("deny", "r1", "--by", "ann")
    late = ship.call("human", "delegate", "r1", "ship", "--to", "cid", "--by", "bob", "--json")
    assert (late.status, late.error["code"]) == (4, "ALREADY_DECIDED")
    ship.plan("r1")
    closed = ship.call("human", "delegate", "r1", "ship", "--to", "cid", "--by", "bob")
    assert (closed.status, "was denied by ann" in closed.err) == (4, True)


def test_an_approval_is_taken_back_until_it_has_taken_effect(ship: Stage) -> None:
    ship.call("approve", "r1", "--by", "ann")
    assert [vote["by"] for vote in request(ship)["votes"]] == ["ann"]

    nobody = ship.call("human", "withdraw", "r1", "--by", "bob", "--json")
    back = ship.call("human", "withdraw", "r1", "ship", "--by", "ann", "--note", "wait", "--json")

    assert (nobody.status, nobody.error["code"]) == (4, "NOT_VOTED")
    assert (back.status, back.json["by"], back.json["note"]) == (0, "ann", "wait")
    assert "votes" not in request(ship)
    assert "2 people must approve, 0 so far" in ship.call("why", "r1").out
    ship.call("approve", "r1", "--by", "bob")
    ship.call("approve", "r1", "--by", "ann")
    late = ship.call("human", "withdraw", "r1", "ship", "--by", "bob", "--json")
    assert (late.status, late.error["code"]) == (4, "ALREADY_DECIDED")
    types = [event["type"] for event in ship.call("events", "r1", "--json").records]
    assert (types.count("ApprovalVoted"), types.count("ApprovalVoteWithdrawn")) == (2, 1)


def test_a_decision_does_not_count_a_vote_that_is_taken_back_at_the_same_time(ship: Stage) -> None:
    row = ship.store.node("r1", "ship", "")
    for turn in range(20):
        ship.start(followed, f"t{turn}")
        decide(ship.store, f"t{turn}", row, Answer(True, "ann"))
        both = threading.Barrier(2)

        def back(run: str = f"t{turn}", both: threading.Barrier = both) -> None:
            both.wait()
            withdraw(ship.store, run, row, Answer(True, "ann"))

        thread = threading.Thread(target=back)
        thread.start()
        both.wait()
        decide(ship.store, f"t{turn}", row, Answer(True, "bob"))
        thread.join()

        kinds = [entry.kind for entry in ship.store.entries(f"t{turn}") if entry.kind not in ("started", "frame")]
        assert kinds in (["voted", "decided"], ["voted", "withdrawn", "voted"])


def test_a_decision_made_on_an_older_view_is_looked_at_again(ship: Stage) -> None:
    """The other person's act comes between the reading and the storing."""
    row = ship.store.node("r1", "ship", "")
    decide(ship.store, "r1", row, Answer(True, "ann"))
    append, acted = ship.store.append, []

    def meanwhile(request: Append) -> Any:
        if not acted:
            acted.append(True)
            withdraw(ship.store, "r1", row, Answer(True, "ann"))
        return append(request)

    ship.store.append = meanwhile

    decided = decide(ship.store, "r1", row, Answer(True, "bob"))

    assert decided is not None
    assert not decided.is_final
    assert [vote["by"] for vote in request(ship)["votes"]] == ["bob"]


def test_a_reminder_of_what_is_answered_is_not_stored(ship: Stage) -> None:
    rows = ship.store.open_commands("r1")
    facts = [nudge(ship.store.command("r1", row.command.n)[0].command) for row in rows if row.command.target]
    ship.call("deny", "r1", "--by", "ann")

    assert ship.store.append(Append("r1", tuple(facts))).outcomes == ("rejected", "rejected")
    ship.plan("r1")
    assert ship.store.append(Append("r1", tuple(facts))).outcomes == ("rejected", "rejected")


def test_a_reminder_that_is_brought_twice_is_stored_once(ship: Stage) -> None:
    rows = ship.store.open_commands("r1")
    (n,) = [row.command.n for row in rows if row.command.target == 1]
    fact = nudge(ship.store.command("r1", n)[0].command)

    assert ship.store.append(Append("r1", (fact,))).outcomes == ("stored",)
    assert ship.store.append(Append("r1", (fact,))).outcomes == ("duplicate",)
