"""What a person fills in: a form, refusals, patience, and the output."""

from __future__ import annotations

from typing import Any

import pytest

from smithers import (
    Approval,
    Child,
    Context,
    HumanTask,
    Loop,
    Parallel,
    Sequence,
    Task,
    call,
)
from smithers.errors import AnswerRefused, WrongState
from smithers.testing import Answer
from tests.unit.engine.asking import Out, Review, task, work
from tests.unit.engine.by_hand import start


@pytest.mark.feature("humantask.suspend", "humantask.output", "hitl.humantask", "humantask.id")
def test_what_a_person_fills_in_is_the_output_with_the_models_defaults(run: Any) -> None:
    def make(ctx: Context[Any]) -> Child:
        def follow() -> Child:
            return Task("after", output=Out)[call(work, ctx.output(Review, "review").score)]

        return Sequence[HumanTask("review", output=Review, prompt="How good is it?"), follow]

    ended = run(make, decisions={"review": {"score": 4}})

    assert ended.status == "finished"
    assert ended.output(Review, "review") == Review(score=4, words="none")
    assert ended.output(Out, "after").n == 4


@pytest.mark.feature("humantask.prompt", "humantask.prompt.meta", "humantask.label", "humantask.meta")
def test_a_human_task_shows_what_is_to_be_done_and_its_form() -> None:
    run = start(HumanTask("review", output=Review, prompt="How good is it?", meta={"team": "x"}))

    row = run.waiting[0]
    detail = row.detail or {}

    assert (row.label, row.kind, row.state) == ("human:review", "humantask", "waiting-approval")
    assert (detail["prompt"], detail["output"], detail["max_attempts"]) == ("How good is it?", "Review", 10)
    assert detail["schema"]["required"] == ["score"]
    assert detail["metadata"] == {"humanTask": True, "maxAttempts": 10, "prompt": "How good is it?", "team": "x"}


@pytest.mark.feature("humantask.outputSchema")
@pytest.mark.feature("humantask.invalid-retry")
def test_what_does_not_fit_the_form_is_refused_at_once_naming_the_fields() -> None:
    run = start(HumanTask("review", output=Review, prompt="?"))

    with pytest.raises(AnswerRefused) as refused:
        run.answer("review", {"score": "high", "wrods": "x"})

    assert refused.value.message == (
        "The answer does not fit Review: score: should be a whole number, not 'high'; "
        "wrods: is no field of it: did you mean 'words'. 9 more answers may be given."
    )
    assert refused.value.data["fields"] == ["score", "wrods"]
    assert refused.value.data["attempts_left"] == 9
    assert [row.node for row in run.waiting] == ["review"]
    run.answer("review", {"score": 2})
    assert run.status == "finished"


@pytest.mark.feature("humantask.invalid-retry", "humantask.validate-late")
def test_what_only_the_model_can_tell_is_asked_again_with_the_reason(run: Any) -> None:
    ended = run(HumanTask("review", output=Review, prompt="?"), decisions={"review": ({"score": 3}, {"score": 4})})

    assert ended.status == "finished"
    assert ended.output(Review, "review").score == 4


def test_the_reason_stands_in_the_request_and_the_answer_was_no_output(rebuild: bool) -> None:
    seen: list[int] = []

    def make(ctx: Context[Any]) -> Child:
        def reader() -> Child:
            seen.append(ctx.output(Review, "review").score)
            return None

        return Parallel[HumanTask("review", output=Review, prompt="?", timeout="1h"), reader]

    run = start(make, rebuild=rebuild)
    run.answer("review", {"score": 3})

    detail = run.waiting[0].detail or {}
    assert (detail["ask"], detail["refusals"]) == (2, 1)
    assert "odd scores are not given" in detail["complaint"]
    assert [(command.kind, command.attempt) for command in run.work] == [("timer", 2)]
    assert seen == []
    run.answer("review", {"score": 4})
    assert (run.status, set(seen)) == ("finished", {4})


@pytest.mark.feature("humantask.maxAttempts", "humantask.exhausted")
@pytest.mark.parametrize("scores", [["x", "x", 3], ["x", 3, "x"], [3, 3, 3], ["x", "x", "x"]])
def test_after_the_last_answer_that_does_not_fit_the_task_fails(scores: list[Any], rebuild: bool) -> None:
    run = start(Sequence[HumanTask("review", output=Review, prompt="?", max_attempts=3), task("x")], rebuild=rebuild)

    for score in scores:
        assert run.status == "waiting-approval"
        try:
            run.answer("review", {"score": score})
        except AnswerRefused:
            assert score == "x"

    assert (run.status, run.nodes["review:"].state) == ("failed", "failed")
    assert (run.error or {})["code"] == "HUMAN_ATTEMPTS_EXHAUSTED"
    assert (run.error or {})["message"].startswith("3 answers to 'human:review' did not fit")
    run.resume()
    run.answer("review", {"score": 2})
    assert [command.node for command in run.work] == ["x"]


@pytest.mark.feature("humantask.deny", "humantask.continueOnFail")
@pytest.mark.parametrize("goes_on", [True, False])
def test_a_cancelled_request_fails_its_task(run: Any, goes_on: bool) -> None:
    tree = Sequence[HumanTask("review", output=Review, prompt="?", continue_on_fail=goes_on), task("after")]

    ended = run(tree, decisions={"review": Answer(False, "ann", "nobody has the time")})

    assert (ended.state("review"), ended.status) == ("failed", "finished" if goes_on else "failed")
    if not goes_on:
        assert ended.error["code"] == "HUMAN_TASK_CANCELLED"
        assert "ann cancelled 'human:review': nobody has the time" in ended.error["message"]


@pytest.mark.feature("humantask.timeoutMs", "inbox.human.expire")
@pytest.mark.parametrize(("on_timeout", "state"), [("fail", "failed"), ("skip", "skipped")])
def test_a_human_task_waits_no_longer_than_it_says(run: Any, on_timeout: Any, state: str) -> None:
    ended = run(HumanTask("review", output=Review, prompt="?", timeout="1s", on_timeout=on_timeout))

    assert ended.state("review") == state


@pytest.mark.feature(
    "humantask.skipIf", "humantask.dependsOn", "humantask.needs", "approval.needs", "approval.dependsOn"
)
def test_people_are_asked_when_what_is_needed_is_there() -> None:
    run = start(
        Parallel[
            task("a"),
            task("b"),
            HumanTask("never", output=Review, prompt="?", skip_if=True),
            HumanTask("review", output=Review, prompt="?", depends_on=["a"], needs={"more": "b"}),
            Approval("ship", depends_on=["a"], needs={"more": "review"}),
        ]
    )

    assert (run.nodes["never:"].state, run.waiting) == ("skipped", [])
    run.finish(run.work[0].n, Out())
    run.finish(run.work[0].n, Out())
    assert [row.node for row in run.waiting] == ["review"]
    run.answer("review", {"score": 2})
    assert [row.node for row in run.waiting] == ["ship"]


@pytest.mark.feature("approval.loop", "humantask.durable")
def test_each_pass_of_a_loop_asks_for_itself(rebuild: bool) -> None:
    def until() -> bool:
        return False

    body = HumanTask("review", output=Review, prompt="?")
    loop = Loop("rounds", until=until, max_iterations=2, on_max_reached="return-last")[body]
    run = start(loop, rebuild=rebuild)

    run.answer("review", {"score": 2}, iteration="0")
    with pytest.raises(WrongState):
        run.answer("review", {"score": 4}, iteration="0")
    run.answer("review", {"score": 4}, iteration="1")

    assert run.status == "finished"
    assert [run.output(Review, "review", turn).score for turn in ("0", "1")] == [2, 4]


def test_a_cancelled_run_keeps_what_was_answered_before(rebuild: bool) -> None:
    run = start(Sequence[HumanTask("review", output=Review, prompt="?", timeout="1h"), task("x")], rebuild=rebuild)
    run.paused = True
    run.answer("review", {"score": 2})
    run.cancel()
    run.paused = False
    run.plan()

    assert (run.status, run.nodes["review:"].state, run.work) == ("cancelled", "finished", [])
    assert run.output(Review, "review").score == 2


@pytest.mark.feature("humantask.submit.precedence")
def test_a_value_outweighs_what_the_note_of_the_same_answer_says(run: Any) -> None:
    both = Answer(True, "ann", note='{"score": 2}', value={"score": 4})

    ended = run(HumanTask("review", output=Review, prompt="?"), decisions={"review": both})

    assert ended.output(Review, "review").score == 4
