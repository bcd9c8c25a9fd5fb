"""A run that waits for an event, from the shell."""

from __future__ import annotations

import pytest

from tests.acceptance.cli.running import Shell

FLOW = """\
from pydantic import BaseModel
from smithers import Context, Sequence, Signal, Task, workflow

class Feedback(BaseModel):
    rating: int
    comment: str = ""

@workflow
def asking(ctx: Context[None]):
    return Sequence[
        Signal("feedback", output=Feedback)[
            lambda given: Task("told", output=Feedback)[Feedback(rating=given.rating, comment=given.comment.upper())]
        ]
    ]
"""


@pytest.mark.feature("cli.signal.send", "cli.signal.data", "signal.cli-name")
def test_up_waits_and_an_event_sent_with_nothing_running_is_taken_when_it_goes_on(shell: Shell):
    shell.write("flow.py", FLOW)

    waiting = shell.call("up", "flow.py", "--run-id", "r1")
    assert waiting.status == 3
    assert "smithers signal r1 feedback" in waiting.err
    refused = shell.call("signal", "r1", "feedback", "--data", '{"rating": "five"}', "--format", "json")
    assert (refused.status, refused.error["data"]["fields"]) == (4, ["rating"])

    sent = shell.call("signal", "r1", "feedback", "--data", '{"rating": 5, "comment": "good"}', "--format", "json")

    assert (sent.status, sent.json["woken"]) == (0, False)
    assert shell.call("up", "--resume", "r1").json == {"rating": 5, "comment": "GOOD"}


@pytest.mark.feature("cli.signal.resume")
def test_an_event_wakes_a_run_that_has_a_worker_and_with_resume_it_is_one(shell: Shell):
    shell.write("flow.py", FLOW)
    shell.call("up", "flow.py", "--run-id", "r1")
    here = shell.call("signal", "r1", "feedback", "--data", '{"rating": 1}', "--resume")
    assert (here.status, shell.status("r1")) == (0, "finished")

    shell.call("up", "flow.py", "--run-id", "r2", "--detach")
    shell.until(lambda: shell.status("r2") == "waiting-event", "it waits")
    sent = shell.call("signal", "r2", "feedback", "--data", '{"rating": 2}', "--format", "json")

    assert sent.json["woken"] is True
    shell.until(lambda: shell.status("r2") == "finished", "it finishes")
