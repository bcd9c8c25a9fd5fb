"""What operators may get wrong: each command says which state it found, and what to do."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from smithers import Context, Loop, Parallel, Sequence, Timer, workflow
from smithers.engine.entry import Fact, OpenRun
from smithers.store.records import Append
from tests.unit.cli.flows import guarded, release, reviewed
from tests.unit.cli.stage import Stage
from tests.unit.cli.test_why_a_node_waits import asked, task

ABOUT_A_RUN = [
    ("approve",),
    ("deny",),
    ("cancel",),
    ("pause",),
    ("unpause",),
    ("amend", "--input", "{}"),
    ("signal", "x"),
    ("retry-task", "a"),
    ("human", "answer", "--value", "{}"),
    ("human", "cancel"),
    ("human", "delegate", "--to", "bob"),
    ("human", "withdraw"),
    ("up", "--resume"),
]


def about(words: tuple[str, ...], run: str) -> list[str]:
    """The command, with the run where it belongs."""
    at = 2 if words[0] in ("human", "up") else 1
    return [*words[:at], run, *words[at:]]


def refusal(stage: Stage, *words: str) -> str:
    """What is said. All of it is wrong use: exit 4, and one error in JSON."""
    answer = stage.call(*words)
    assert (answer.status, answer.out) == (4, ""), words
    assert "Traceback" not in answer.err
    assert stage.call(*words, "--format", "json").error["code"]
    return answer.err


@pytest.mark.parametrize("words", ABOUT_A_RUN, ids=" ".join)
def test_a_run_that_is_not_there_is_said_so_with_what_lists_them(stage: Stage, words: tuple[str, ...]) -> None:
    stage.start(release, "blue")
    assert "There is no run 'zzz'. `smithers ps` lists the runs." in refusal(stage, *about(words, "zzz"))
    assert "Did you mean 'blue'?" in refusal(stage, *about(words, "blux"))


def finished(stage: Stage) -> str:
    stage.start(release, "r1")
    stage.end("r1", "build")
    stage.call("approve", "r1")
    stage.plan("r1")
    stage.end("r1", "tag")
    return "it is finished, since"


def failed(stage: Stage) -> str:
    stage.start(release, "r1")
    stage.end("r1", "build", error="boom")
    return "it is failed, since"


CLOSED = [words for words in ABOUT_A_RUN if words[0] not in ("up", "retry-task")]


@pytest.mark.parametrize("words", CLOSED, ids=" ".join)
@pytest.mark.parametrize(
    ("close", "then"),
    [(finished, "which is final"), (failed, "`smithers up --resume r1` opens it again")],
    ids=["finished", "failed"],
)
def test_a_run_that_has_ended_is_said_so_with_how_it_goes_on(
    stage: Stage, words: tuple[str, ...], close: Callable[[Stage], str], then: str
) -> None:
    ended = close(stage)
    said = refusal(stage, *about(words, "r1"))
    assert ended in said
    assert then in said


def test_a_finished_run_is_not_retried(stage: Stage) -> None:
    finished(stage)
    assert "Run r1 is finished, which is final." in refusal(stage, "retry-task", "r1", "build")


NODES = [
    ("approve", "r1"),
    ("deny", "r1"),
    ("human", "cancel", "r1"),
    ("human", "delegate", "--to", "bob", "r1"),
    ("human", "answer", "--value", "{}", "r1"),
    ("retry-task", "r1"),
]


@pytest.mark.parametrize("words", NODES, ids=lambda words: " ".join(words[:2]))
def test_a_node_that_is_not_there_is_said_so_with_what_lists_them(stage: Stage, words: tuple[str, ...]) -> None:
    stage.start(release, "r1")
    assert "Run 'r1' has no node 'zzz'. `smithers inspect r1` lists its nodes." in refusal(stage, *words, "zzz")
    assert "Did you mean 'publish'?" in refusal(stage, *words, "pubish")


@pytest.mark.parametrize("words", NODES[:-1], ids=lambda words: " ".join(words[:2]))
def test_a_node_that_asks_nobody_is_said_so_with_what_says_more(stage: Stage, words: tuple[str, ...]) -> None:
    stage.start(release, "r1")
    said = refusal(stage, *words, "publish")
    assert "'publish' of run r1 waits for no answer: it is an approval and is pending, and the run is running." in said
    assert "`smithers node publish --run-id r1` says more." in said


def test_a_wait_for_an_event_is_not_approved_but_sent_one(stage: Stage) -> None:
    stage.start(asked, "r1")
    assert "An event is sent with `smithers signal r1 deployed --correlation pr-7" in (
        refusal(stage, "approve", "r1", "deploy")
    )


def test_who_names_nobody_is_told_what_the_run_waits_with(stage: Stage) -> None:
    stage.start(release, "r1")
    assert "Nothing waits for an approval in run r1: it is running. `smithers why r1` says" in refusal(stage, "approve")
    stage.end("r1", "build")
    stage.call("approve", "--note", "fine")
    said = refusal(stage, "approve")
    assert "Nothing waits for an approval in run r1 any more. 'publish' was approved by ann" in said
    assert "an approval is used once" in refusal(stage, "deny", "r1", "publish")


@workflow
def looped(ctx: Context[None]):
    turns = Loop("turns", until=lambda: ctx.iteration_count("try") >= 3)[task("try")]
    return Parallel[turns, Sequence[Timer("bell", duration="1h"), task("late")]]


@pytest.mark.parametrize("words", [("node", "--run-id", "r1"), ("retry-task", "r1"), ("approve", "r1")])
def test_an_iteration_that_is_not_there_is_said_so_with_those_that_are(stage: Stage, words: tuple[str, ...]) -> None:
    stage.start(looped, "r1")
    stage.end("r1", "try")
    assert "Node 'try' of run 'r1' has no iteration '7'. It has 0, 1." in refusal(
        stage, *words, "try", "--iteration", "7"
    )
    assert "It is in no loop: leave the iteration out." in refusal(stage, *words, "late", "--iteration", "7")


@pytest.mark.parametrize(
    ("node", "why"), [("try", "it is running"), ("late", "it has not run yet"), ("bell", "it is waiting-timer")]
)
def test_what_is_not_over_is_not_retried_and_says_where_to_look(stage: Stage, node: str, why: str) -> None:
    stage.start(looped, "r1")
    said = refusal(stage, "retry-task", "r1", node)
    turn = " --iteration 0" if node == "try" else ""
    assert f"cannot be retried: {why}. `smithers node {node} --run-id r1{turn}` says how it stands." in said


@pytest.mark.parametrize("command", ["answer", "approve"])
def test_a_human_task_wants_more_than_a_yes_and_no_attempt_is_lost(stage: Stage, command: str) -> None:
    """It has two attempts; JSON that is broken is refused before it is an answer."""
    stage.start(reviewed, "r1")
    words = {"approve": ("approve", "r1", "review"), "answer": ("human", "answer", "r1", "--value", "{bad")}[command]
    said = [refusal(stage, *words) for _ in range(3)][-1]
    assert {"approve": "smithers human answer human:r1:review:0 --value '{\"score\": ...}'", "answer": "line 1"}[
        command
    ] in said
    assert stage.call("human", "answer", "r1", "--value", '{"score": 3}').status == 0


def test_a_run_that_is_being_cancelled_is_not_paused(stage: Stage) -> None:
    """The cancel would stand still with it, and asking for it once more would end no pause."""
    stage.start(release, "r1")
    stage.claim("r1", "build")
    stage.call("cancel", "r1", "--by", "bob")

    said = refusal(stage, "pause", "r1")

    assert "Run r1 cannot be paused: bob asked to cancel it" in said
    assert "that is final" in said
    fact = Fact("paused", "paused:1", {"by": "x"}, OpenRun(paused=False, unless="cancel"))
    assert stage.store.append(Append("r1", (fact,))).outcomes == ("rejected",), "whoever asks first, is first"


def test_what_is_not_paused_says_what_it_waits_for(stage: Stage) -> None:
    stage.start(guarded, "r1")
    said = refusal(stage, "unpause", "r1")
    assert "Run r1 is not paused: it is waiting-approval. `smithers why r1` says what it waits for." in said


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("supervise", "--stale-threshold", "soon"), "--stale-threshold='soon' is not a duration"),
        (("supervise", "--interval", "often"), "--interval='often' is not a duration"),
        (("cron", "add", "* * *", "flow.py"), "has 3 fields, not five"),
        (("cron", "add", "--every", "often", "flow.py"), "--every='often' is not a duration"),
        (("cron", "add", "* * * * *", "nosuch.py"), "There is no file nosuch.py"),
        *((("cron", one, "zzz"), "There is no schedule 'zzz'. `smithers cron list`") for one in ("show", "rm")),
        *((("cron", one, "zzz"), "There is no schedule 'zzz'. `smithers cron list`") for one in ("pause", "unpause")),
        (("cron", "trigger", "zzz"), "There is no schedule 'zzz'. `smithers cron list`"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_wrong_words_are_refused_with_the_right_ones(stage: Stage, words: tuple[str, ...], told: str) -> None:
    stage.start(release, "r1")
    assert told in refusal(stage, *words)
