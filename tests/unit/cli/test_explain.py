"""What is said of an error code."""

from __future__ import annotations

from smithers.codes import CODES
from tests.unit.cli.stage import Stage


def test_explain_says_what_a_code_means_and_what_to_do(stage: Stage) -> None:
    said = stage.call("explain", "run-not-found").out
    assert "There is no such run." in said
    assert "`smithers ps` lists the runs." in said
    assert stage.call("explain", "CYCLE", "--json").json["area"] == "workflow"
    assert {one["name"] for one in stage.call("explain", "--json").json["codes"]} == set(CODES)
    answer = stage.call("explain", "RUN_NOT_FOUNT")
    assert (answer.status, "Did you mean RUN_NOT_FOUND?" in answer.err) == (4, True)
