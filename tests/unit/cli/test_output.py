"""What commands print: texts from elsewhere do not command the terminal."""

from __future__ import annotations

import pytest

from smithers.cli.output import Out, harmless
from tests.unit.cli.flows import release
from tests.unit.cli.stage import Stage


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain\ttext ü 日本\nnext", "plain\ttext ü 日本\nnext"),
        ("\x1b[1;31mred\x1b[0m", "\x1b[1;31mred\x1b[0m"),
        ("\x1b[2J\x1b[Hgone", "\\x1b[2J\\x1b[Hgone"),
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("50%\r100%", "50%\\r100%"),
        ("a line\r\n", "a line\r\n"),
        ("\x9b2J", "\\x9b2J"),
        ("pay \u202e001 to ann", "pay \\u202e001 to ann"),
    ],
)
def test_only_colours_lines_and_tabs_reach_the_terminal(text: str, shown: str) -> None:
    assert harmless(text) == shown


def test_every_way_of_printing_is_harmless(capsys: pytest.CaptureFixture[str]) -> None:
    out = Out()
    out.line("\x1b[H")
    out.lines(["\x1b[H"])
    out.note("\x1b[H")
    assert "".join(capsys.readouterr()).count("\\x1b[H\n") == 3


def test_a_note_cannot_cover_what_a_person_is_asked(stage: Stage) -> None:
    stage.start(release, "r1")
    stage.call("pause", "r1", "--note", "\x1b[2J\x1b[HAll is well")

    assert "\\x1b[2J\\x1b[HAll is well" in stage.call("why", "r1").out
    assert stage.call("inspect", "r1", "--json").json["paused"]["note"] == "\x1b[2J\x1b[HAll is well"
