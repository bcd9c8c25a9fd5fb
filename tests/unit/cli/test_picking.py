"""`--filter-output`: a part of a JSON answer."""

from __future__ import annotations

from typing import Any

import pytest

from smithers.cli.picking import parsed, picked, taken
from smithers.errors import InputError
from tests.unit.cli.flows import release
from tests.unit.cli.stage import Stage

ANSWER = {"runs": [{"runId": "r1"}, {"runId": "r2"}], "outputs": {"research.find": {"n": 1}}, "more": False}


@pytest.fixture
def waiting(stage: Stage) -> Stage:
    stage.start(release, "r1")
    stage.end("r1", "build", {"text": "built"})
    return stage


@pytest.mark.feature("cli.global.filter-output")
@pytest.mark.parametrize(
    "words",
    [
        ("ps", "--filter-output", "runs[0].runId"),
        ("ps", "--filter-output=runs[0].runId"),
        ("--filter-output", "runs[0].runId", "ps", "--format", "plain"),
        ("--format", "json", "ps", "--filter-output", "runs[-1].runId", "--status", "waiting-approval"),
    ],
)
def test_what_stands_at_the_path_is_the_answer(waiting: Stage, words: tuple[str, ...]) -> None:
    answer = waiting.call(*words)

    assert (answer.status, answer.out) == (0, '"r1"\n')
    assert "runs" in waiting.call("ps", "--json").json, "only this once"


@pytest.mark.feature("cli.global.filter-output")
def test_each_line_of_a_stream_is_filtered(waiting: Stage) -> None:
    lines = waiting.call("events", "r1", "--type", "NodeStarted", "--filter-output", "nodeId").out

    assert lines == '"build"\n'


def test_errors_stay_whole(waiting: Stage) -> None:
    refused = waiting.call("inspect", "nobody", "--filter-output", "status")

    assert (refused.status, refused.error["code"]) == (4, "RUN_NOT_FOUND")
    assert waiting.call("ps", "--filter-output", "runs", "--limit", "many").error["code"] == "USAGE"


@pytest.mark.parametrize(
    ("path", "part"),
    [
        ("runs[1].runId", "r2"),
        ("runs[-1]", {"runId": "r2"}),
        ('outputs["research.find"].n', 1),
        ("more", False),
        ("runs[7].runId", None),
        ("runs.runId", None),
        ("more[0]", None),
        ("nothing.here", None),
    ],
)
def test_a_path_leads_to_a_part_or_to_nothing(path: str, part: Any) -> None:
    assert picked(ANSWER, parsed(path)) == part


@pytest.mark.parametrize("path", ["", ".", "runs.", "runs..a", "runs[a]", "runs[", ".runs", "runs[0]x", "runs.[0]"])
def test_what_is_no_path_is_refused_and_nothing_is_done(waiting: Stage, path: str) -> None:
    answer = waiting.call("approve", "r1", "publish", "--filter-output", path)

    assert answer.status == 4
    assert "is no path" in answer.error["message"]
    assert waiting.store.run("r1").status == "waiting-approval"
    with pytest.raises(InputError):
        parsed(path)


def test_words_behind_two_dashes_are_left_alone() -> None:
    words = ["signal", "--", "r1", "--filter-output", "x"]

    assert taken(words) == (words, None)
