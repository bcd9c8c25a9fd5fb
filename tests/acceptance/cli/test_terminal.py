"""`smithers up` on a terminal: a picture of the run, and answers without another command."""

from __future__ import annotations

from collections.abc import Callable, Generator

import pytest

from tests.acceptance.cli.running import Shell
from tests.acceptance.cli.terminal import Terminal
from tests.acceptance.cli.test_up import GATE, HELLO, flow

Open = Callable[..., Terminal]


@pytest.fixture
def terminal(shell: Shell) -> Generator[Open]:
    opened: list[Terminal] = []

    def begin(*words: str) -> Terminal:
        opened.append(Terminal(shell.root, words))
        return opened[-1]

    yield begin
    for one in opened:
        one.close()


def test_a_run_is_shown_and_its_output_stands_below(shell: Shell, terminal: Open):
    shell.write("flow.py", HELLO)

    screen = terminal("up", "flow.py")

    assert screen.end() == 0
    assert "✓ hello" in screen.seen
    assert '"text": "hi"' in screen.seen


def test_a_person_approves_at_the_terminal_with_a_note(shell: Shell, terminal: Open):
    shell.write("flow.py", GATE)
    screen = terminal("up", "flow.py", "--run-id", "r1")

    screen.until('publish: "Ship it?"   y approve   n deny')
    screen.type("y")
    screen.until("approve publish — note")
    screen.type("looks good\r")

    assert screen.end() == 0
    assert screen.echoes
    events = shell.call("events", "r1", "--type", "approval").out
    assert "ApprovalGranted publish by=ann note=looks good" in events


def test_an_answer_from_elsewhere_goes_on_too(shell: Shell, terminal: Open):
    shell.write("flow.py", GATE)
    screen = terminal("up", "flow.py", "--run-id", "r1")
    screen.until("y approve")

    assert shell.call("approve", "r1").status == 0

    assert screen.end() == 0


def test_ctrl_c_on_the_terminal_reaches_the_viewer_and_not_the_task(shell: Shell, terminal: Open):
    tree = 'Sequence[Task("a", output=Text)[call(slow, "began", 2)], Task("b", output=Text)[call(slow, "next", 60)]]'
    shell.write("flow.py", flow(tree))
    screen = terminal("up", "flow.py", "--run-id", "r1")
    shell.until((shell.root / "began").exists, "the task runs")

    screen.type("\x03")

    assert screen.end() == 130
    assert "smithers up --resume r1" in screen.seen
    assert screen.echoes
    assert shell.call("output", "r1", "a").json == {"text": "began"}
