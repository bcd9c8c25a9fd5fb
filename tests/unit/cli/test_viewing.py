"""The parts of `up` that can be looked at without a worker: the model, the dialogue, the guard's bookkeeping."""

from __future__ import annotations

import signal
from dataclasses import replace

import pytest

from smithers.cli.guard import Deaths, ending
from smithers.cli.up.keys import Dialogue, Reply
from smithers.cli.up.lines import told
from smithers.engine.chronicle import Event
from smithers.views.model import RunModel, Seen
from tests.unit.cli.flows import automatic, awaiting, guarded, planned, polish, release, reviewed
from tests.unit.cli.stage import Stage

LEGAL = Seen("legal", "", "waiting-approval", detail={"title": "Legal is fine?"})
BUDGET = Seen("budget", "", "waiting-approval")


def followed(stage: Stage, run_id: str) -> tuple[RunModel, list[str]]:
    """A model that has read a run's whole log, and the lines it made of it."""
    run = stage.store.run(run_id)
    model = RunModel(run_id, run.workflow, run.created_ms)
    events = model.take(stage.store.entries(run_id))
    model.describe(stage.store.nodes(run_id))
    return model, [line for event in events if (line := told(model, event))]


@pytest.mark.feature("cli.global.progress.start", "cli.global.progress.done")
def test_a_log_becomes_lines_in_the_references_style(stage: Stage):
    stage.start(release, "r1")
    stage.end("r1", "build")

    model, lines = followed(stage, "r1")

    assert lines == [
        "→ build (attempt 1, iteration 0)",
        "✓ build (1.2s)",
        '⏸ waits for approval: publish "Ship it?" — smithers approve r1 publish',
    ]
    assert model.waits_for_person


def test_a_wait_for_an_event_says_how_to_send_it_and_is_no_reason_to_leave_while_it_ends_by_itself(stage: Stage):
    stage.start(awaiting, "r1")

    model, lines = followed(stage, "r1")

    assert lines[-1].startswith("⏸ waits for an event: deploy — smithers signal r1 deploy.completed --correlation pr-7")
    assert model.waits_for_person
    model.seen("deploy", "").due_ms = 1
    assert not model.waits_for_person
    assert "(until 1970-01-01" in told(model, event_of(stage))


def event_of(stage: Stage) -> Event:
    model = RunModel("r1", "awaiting", 0)
    events = model.take(stage.store.entries("r1"))
    return next(event for event in events if event.type == "NodeWaitingEvent")


def test_passes_of_a_loop_are_told_apart(stage: Stage):
    stage.start(polish, "r1")
    stage.end("r1", "review")
    stage.end("r1", "review", error="bad\nvery")

    _, lines = followed(stage, "r1")

    assert "✓ review #0 (1.2s)" in lines
    assert "✗ review #1 failed: bad" in lines
    assert lines[-1] == "✗ failed"


def test_a_model_knows_when_the_run_is_over(stage: Stage):
    stage.start(polish, "r1")
    stage.end("r1", "review")
    stage.end("r1", "review")

    model, _ = followed(stage, "r1")

    assert (model.status, model.is_over) == ("finished", True)


def test_an_answer_takes_a_key_a_note_and_enter():
    dialogue = Dialogue()
    assert dialogue.look([LEGAL]) is LEGAL

    assert dialogue.typed("ylooks fyne\x7f\x7f\x7fine\r") == [Reply("legal", "", True, "looks fine")]


def test_enter_without_a_verdict_decides_nothing():
    dialogue = Dialogue()
    dialogue.look([LEGAL])

    assert dialogue.typed("\r\r x") == []


def test_escape_takes_a_verdict_back():
    dialogue = Dialogue()
    dialogue.look([LEGAL])

    assert dialogue.typed("yoh no\x1b\rn\r") == [Reply("legal", "", False, None)]


def test_tab_goes_to_the_next_approval_and_an_answered_one_is_not_asked_again():
    dialogue = Dialogue()
    dialogue.look([LEGAL, BUDGET])
    dialogue.typed("\t")
    assert dialogue.look([LEGAL, BUDGET]) is BUDGET

    assert [reply.node for reply in dialogue.typed("y\r")] == ["budget"]
    assert dialogue.look([LEGAL, BUDGET]) is LEGAL


def test_an_approval_that_was_denied_and_is_asked_anew_is_asked_again():
    dialogue = Dialogue()
    dialogue.look([LEGAL])
    dialogue.typed("n\r")
    assert dialogue.look([LEGAL]) is None

    anew = replace(LEGAL, detail={"title": "Legal is fine?", "ask": 2})

    assert dialogue.look([anew]) is anew
    assert dialogue.typed("y\r") == [Reply("legal", "", True, None)]


def test_a_question_that_somebody_else_has_answered_is_dropped():
    dialogue = Dialogue()
    dialogue.look([LEGAL])
    dialogue.typed("ybec")

    assert dialogue.look([]) is None
    assert dialogue.typed("\r") == []


@pytest.mark.parametrize(
    ("status", "words"),
    [(-signal.SIGSEGV, "SIGSEGV"), (-signal.SIGKILL, "want of memory"), (0, "status 0"), (3, "status 3")],
)
def test_a_death_is_told_in_words(status: int, words: str):
    assert words in ending(status)


def test_a_worker_that_keeps_dying_is_given_up_but_progress_starts_the_count_anew():
    deaths = Deaths()

    assert [deaths.one_more() for _ in range(5)] == [True] * 4 + [False]
    deaths.progress()
    assert deaths.one_more()


def test_a_run_with_ever_new_deaths_is_given_up_in_the_end():
    deaths = Deaths()

    started = 0
    while deaths.one_more():
        deaths.progress()
        started += 1

    assert started == deaths.most


def test_a_cancelled_task_is_told_once(stage: Stage):
    stage.start(release, "r1")
    stage.claim("r1", "build")
    stage.call("cancel", "r1")
    stage.plan("r1")
    stage.answer("r1", "build", "cancelled")

    _, lines = followed(stage, "r1")

    assert lines[1:] == [
        "⊗ ann asked to cancel the run",
        "⊗ build is being cancelled",
        "⊗ publish cancelled",
        "⊗ tag cancelled",
        "⊗ build cancelled",
        "⊗ cancelled",
    ]


OPTIONS = [{"key": "fast"}, {"key": "safe"}]


def question(mode: str) -> Seen:
    return Seen("ask", "", "waiting-approval", detail={"title": "Which?", "mode": mode, "options": OPTIONS})


def test_an_option_is_picked_by_its_digit():
    dialogue = Dialogue()
    seen = question("select")
    dialogue.look([seen])

    assert dialogue.prompt(seen) == '⏸ ask: "Which?"   1 fast   2 safe   n deny'
    assert dialogue.typed("y7") == []
    assert dialogue.typed("2\x1b1good\r") == [Reply("ask", "", True, "good", "fast")]


@pytest.mark.parametrize(
    ("mode", "told"), [("rank", "smithers approve ask --rank fast,safe"), ("human", "smithers human inbox")]
)
def test_what_is_too_long_for_keys_names_its_command_and_can_be_denied(mode: str, told: str):
    dialogue = Dialogue()
    seen = question(mode)
    dialogue.look([seen])

    assert told in dialogue.prompt(seen)
    assert dialogue.typed("y1\r") == []
    assert dialogue.typed("nno\r") == [Reply("ask", "", False, "no")]


def test_lines_say_what_is_asked_and_what_people_did(stage: Stage):
    stage.start(reviewed, "r1")
    stage.call("human", "answer", "r1", "--value", "{}", "--by", "bob")
    stage.start(planned, "r2")
    stage.start(guarded, "r3")
    stage.call("approve", "r3", "--scope", "ops")
    stage.start(automatic, "r4")

    typed = """smithers human answer human:r1:review:0 --value '{"score": ...}'"""
    lines = [line for run in ("r1", "r2", "r3", "r4") for line in followed(stage, run)[1]]

    assert lines == [
        f'⏸ waits for an answer: review "human:review" — {typed}',
        "✗ review: an answer by bob was refused: The answer does not fit Review: score: is missing.",
        '⏸ waits for a choice: plan "Which?" — smithers approve r2 plan --choice fast|safe',
        '⏸ waits for approval: ship "Ship it?" — smithers approve r3 ship',
        "✓ ship approved (more must) by ann",
        "✓ ship approved automatically",
        "✓ ship (0.0s)",
        lines[-1],
    ]
    stage.call("human", "answer", "r1", "--value", '{"score": 1}', "--by", "bob")
    stage.plan("r1")
    assert "✓ review answered by bob" in followed(stage, "r1")[1]
