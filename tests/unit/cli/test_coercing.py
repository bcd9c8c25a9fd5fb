"""What typer need not look at comes out as if it had."""

from __future__ import annotations

from typing import Any

import pytest
from typer.main import get_command

from smithers.cli.coercing import leave_as_they_are
from smithers.cli.main import single
from smithers.cli.table import COMMANDS

LINES = (
    "up flow.py",
    "up flow.py --input {} -c 4 --tag team=a --tag x=y --detach --format json --by me",
    "up --resume latest --follow --no-wait",
    "ps",
    "ps --limit 3 --status failed --status paused --since 2d --format plain --watch --interval 1",
    "signal r go --data {} --correlation 7",
    "cancel r1",
    "delete r1 r2 --yes",
    "inspect",
)


def parsed(line: str, *, as_they_are: bool) -> dict[str, Any]:
    name, *words = line.split()
    command: Any = get_command(single(COMMANDS[name]))
    if as_they_are:
        leave_as_they_are(command)
    with command.make_context(name, words) as context:
        return context.params


@pytest.mark.parametrize("line", LINES)
def test_a_command_gets_the_same_values_with_the_same_types(line: str):
    ours, typers = parsed(line, as_they_are=True), parsed(line, as_they_are=False)

    assert ours == typers
    assert [type(value) for value in ours.values()] == [type(value) for value in typers.values()]
