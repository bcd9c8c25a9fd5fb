"""An output that another run takes, from the shell."""

from __future__ import annotations

import pytest

from tests.acceptance.cli.running import Shell

FLOW = """\
from pathlib import Path
from pydantic import BaseModel
from smithers import CachePolicy, Context, Sequence, Task, call, workflow

class Ticket(BaseModel):
    id: str

class Summary(BaseModel):
    text: str

def summarize(id: str) -> Summary:
    with Path("ran").open("a") as file:
        print(id, file=file)
    return Summary(text=f"about {id}")

def shout(summary: Summary) -> Summary:
    return Summary(text=summary.text.upper())

@workflow(input=Ticket)
def tickets(ctx: Context[Ticket]):
    policy = CachePolicy(by=lambda input: input.id, version="v1")
    return Sequence[
        Task("summary", output=Summary, cache=policy)[call(summarize, ctx.input.id)],
        Task("shout", output=Summary, deps={"summary": Summary})[shout],
    ]
"""


@pytest.mark.feature("cache.step", "cache.crossrun", "event.none.cache", "data.meta.answers")
def test_a_second_run_takes_the_output_and_every_command_says_so_until_it_is_forgotten(shell: Shell):
    shell.write("flow.py", FLOW)
    ticket = ("--input", '{"id": "t1"}')

    first = shell.call("up", "flow.py", "--run-id", "r1", *ticket)
    second = shell.call("up", "flow.py", "--run-id", "r2", *ticket)

    assert first.json == second.json == {"text": "ABOUT T1"}
    assert (shell.root / "ran").read_text() == "t1\n"
    assert "cached: yes, from run r1" in shell.call("node", "summary", "-r", "r2").out
    [attempt] = shell.call("node", "summary", "-r", "r2", "--format", "json").json["attempts"]
    assert (attempt["cached"], attempt["cachedFrom"]) == (True, "r1")
    assert "cached: yes, from run r1" in shell.call("inspect", "r2").out
    assert "CacheMiss summary" in shell.call("events", "r1").out
    assert "CacheHit summary" in shell.call("events", "r2").out
    [kept] = shell.call("cache", "ls", "--format", "json").json["outputs"]
    assert (kept["workflow"], kept["nodeId"], kept["version"], kept["runId"]) == ("tickets", "summary", "v1", "r1")
    assert kept["hits"] == 1

    assert shell.call("cache", "clear", "--node", "other").out == "forgotten: 0 outputs\n"
    assert shell.call("cache", "clear", "--workflow", "tickets", "--node", "summary").out == "forgotten: 1 output\n"
    assert "keeps nothing" in shell.call("cache", "ls").err
    shell.call("up", "flow.py", "--run-id", "r3", *ticket)
    assert (shell.root / "ran").read_text() == "t1\nt1\n"


def test_a_by_that_cannot_be_part_of_a_key_is_refused_before_anything_is_made(shell: Shell):
    shell.write("flow.py", FLOW.replace("input.id, v", "open, v"))

    refused = shell.call("up", "flow.py", "--input", '{"id": "t1"}', "--format", "json")

    assert refused.status == 4
    assert "The cache of Task('summary') at" in refused.error["message"]
    assert "flow.py:" in refused.error["message"]
    assert not (shell.root / "ran").exists()
