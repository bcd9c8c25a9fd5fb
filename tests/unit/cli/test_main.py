"""The entry point: quick, lazy, and with the right exit status."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import smithers
from tests.unit.cli.stage import Stage

HEAVY = (
    "temporalio",
    "sqlalchemy",
    "rich",
    "pydantic",
    "pydantic_ai",
    "asyncio",
    "smithers.flow.element",
    "smithers.engine.plan",
)
"""What takes a tenth of a second or more, and how an author's elements and their planner would come in."""
DEEP = frozenset({"retry-task", "supervise", "doctor"})
"""Commands that look at runs as their planner does, or ask Temporal itself."""
WATCH = (
    "import sys\n"
    "from smithers.cli.main import main\n"
    "status = main({words!r})\n"
    "print([name for name in {heavy!r} if name in sys.modules], file=sys.stderr)\n"
    "sys.exit(status)\n"
)


def imported(*words: str) -> str:
    """Which heavy modules a command has brought in."""
    code = WATCH.format(words=list(words), heavy=HEAVY)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    return done.stderr.splitlines()[-1]


@pytest.mark.feature("cli.global.version")
def test_the_version_is_printed_without_any_library(stage: Stage):
    code = "import sys\nfrom smithers.cli.main import main\nmain(['--version'])\nprint('typer' in sys.modules)"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.split() == [smithers.__version__, "False"]


@pytest.mark.parametrize(
    "words",
    [
        ("--help",),
        ("ps", "--tag", "team=a", "--format", "json"),
        ("inspect",),
        ("why",),
        ("approve",),
        ("signal", "--help"),
        ("cancel",),
        ("events",),
        ("up", "none.py"),
    ],
)
def test_reading_and_deciding_import_nothing_heavy(stage: Stage, words: tuple[str, ...]):
    _ = stage.store

    assert imported(*words) == "[]"


def test_no_other_command_imports_anything_heavy_by_being_chosen():
    from smithers.cli.table import COMMANDS

    modules = [listed.module for name, listed in COMMANDS.items() if name not in DEEP]
    code = f"import sys\nfrom importlib import import_module\nfor name in {modules!r}:\n    import_module(name)\n"
    code += f"print([name for name in {HEAVY!r} if name in sys.modules])"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"


@pytest.mark.feature("cli.global.help")
def test_help_lists_every_command(stage: Stage):
    answer = stage.call("--help")

    assert answer.status == 0
    assert all(name in answer.out for name in ("up", "retry-task", "doctor"))


@pytest.mark.feature("cli.global.binary")
def test_one_program_is_installed_with_every_command_in_it():
    from smithers.cli.table import COMMANDS

    done = subprocess.run(
        [Path(sys.executable).parent / "smithers", "--help"], capture_output=True, text=True, check=True
    )

    assert [name for name in COMMANDS if name not in done.stdout] == []


def test_every_command_has_help(stage: Stage):
    from importlib import import_module

    from smithers.cli.table import COMMANDS

    for name, listed in COMMANDS.items():
        group = getattr(import_module(listed.module), "app", None)
        words = [[name, one.name] for one in group.registered_commands] if group is not None else [[name]]
        assert stage.call(name, "--help").status == 0, name
        for one in words:
            answer = stage.call(*one, "--help")
            assert answer.status == 0, one
            assert "--format" in answer.out, one


@pytest.mark.parametrize(
    ("word", "meant"), [("aprove", "approve"), ("run", "up"), ("status", "ps"), ("zzz", "smithers --help")]
)
def test_an_unknown_command_is_answered_with_the_nearest(stage: Stage, word: str, meant: str):
    answer = stage.call(word)

    assert answer.status == 4
    assert meant in answer.err


@pytest.mark.feature("cli.global.exit4")
def test_a_usage_error_is_exit_4_with_the_usage(stage: Stage):
    answer = stage.call("node")

    assert answer.status == 4
    assert "Missing argument" in answer.err
    assert "usage: smithers node" in answer.err


def test_a_usage_error_is_json_where_json_is_asked_for(stage: Stage):
    answer = stage.call("ps", "--limit", "many", "--format", "json")

    assert answer.status == 4
    assert answer.error["code"] == "USAGE"
    assert answer.err == ""


@pytest.mark.feature("err.INTERNAL_ERROR")
def test_a_bug_is_not_dressed_up_as_the_persons_fault(stage: Stage, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("smithers.cli.commands.ps.known", lambda statuses: 1 / 0)

    answer = stage.call("ps", "--json")

    assert answer.status == 1
    assert answer.error["code"] == "INTERNAL_ERROR"
    assert "ZeroDivisionError" in answer.err


@pytest.mark.feature("cli.global.exit130")
def test_an_interrupt_is_130_without_a_traceback(stage: Stage, monkeypatch: pytest.MonkeyPatch):
    def interrupt(statuses: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("smithers.cli.commands.ps.known", interrupt)

    answer = stage.call("ps")

    assert (answer.status, answer.err) == (130, "")
