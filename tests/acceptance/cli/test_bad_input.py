"""Whatever is wrong is said before anything is made: exit 4, no run, no folder, no process, no traceback."""

from __future__ import annotations

import pytest

from tests.acceptance.cli.running import Result, Shell

HEAD = """\
from pydantic import BaseModel
from smithers import Approval, Context, Parallel, Sequence, Task, workflow

class Order(BaseModel):
    name: str
    count: int = 1

class Text(BaseModel):
    text: str = ""

def work() -> Text:
    return Text()

"""
GOOD = (
    HEAD
    + """\
@workflow(input=Order)
def shop(ctx: Context[Order]):
    return Task("a", output=Text)[work]
"""
)
PLAIN = (
    HEAD
    + """\
@workflow
def shop(ctx: Context[None]):
    return {tree}
"""
)
INPUTS = {
    "broken JSON": ("{bad", "line 1, column 2"),
    "broken later": ('{"name": "x",\n "count": }', "line 2, column 11"),
    "a list": ("[1]", "a JSON object with named fields, not a list"),
    "a text": ('"x"', "not a text"),
    "null": ("null", "not null"),
    "not JSON": ("NaN", "NaN is not JSON"),
    "a missing field": ("{}", "name: Field required"),
    "a wrong type": ('{"name": "x", "count": "many"}', "count: Input should be a valid integer"),
    "an unknown key": ('{"name": "x", "cuont": 2}', "did you mean 'count'?"),
    "no such file": ("@nosuch.json", "nosuch.json cannot be read"),
}
TREES = {
    "duplicate ids": ('Sequence[Task("a", output=Text)[work], Task("a", output=Text)[work]]', "'a'"),
    "a cycle": (
        'Parallel[Task("a", output=Text, depends_on=["b"])[work], Task("b", output=Text, depends_on=["a"])[work]]',
        "a -> b -> a",
    ),
    "an unknown dependency": ('Task("a", output=Text, depends_on=["bb"])[work]', "no node has that id"),
    "an empty tree": ("Sequence[None]", "empty tree"),
    "an id that changes": ("Task(str(__import__('uuid').uuid4()), output=Text)[work]", "changes at every render"),
    "an error while rendering": ("1 / 0", "division by zero"),
    "text for an element": ('Sequence["hello"]', "text and data belong inside a Task"),
}


def refused(shell: Shell, result: Result) -> None:
    """What holds for everything that is refused."""
    assert result.status == 4, result.err
    assert "Traceback" not in result.err + result.out
    assert not (shell.root / ".smithers").exists()
    assert shell.processes() == {}


@pytest.mark.feature("cli.up.input", "cli.global.exit4")
@pytest.mark.parametrize("name", INPUTS)
def test_input_that_does_not_fit_is_refused_with_the_place(shell: Shell, name: str):
    text, expected = INPUTS[name]
    shell.write("flow.py", GOOD)

    result = shell.call("up", "flow.py", "--input", text, "--format", "json")

    refused(shell, result)
    assert expected in result.error["message"]


@pytest.mark.parametrize("name", TREES)
def test_a_tree_that_makes_no_sense_is_refused_with_its_line(shell: Shell, name: str):
    tree, expected = TREES[name]
    path = shell.write("flow.py", PLAIN.format(tree=tree))

    result = shell.call("up", "flow.py")

    refused(shell, result)
    assert expected in result.err
    assert str(path) in result.err


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("def f(:\n", "flow.py:1"),
        ("import nosuchmodule\n", "nosuchmodule"),
        ("x = 1\n", "has no workflow"),
        (HEAD + "raise ValueError('at import')\n", "at import"),
        ("import sys\nsys.exit(3)\n", "must not exit"),
    ],
)
def test_a_file_that_cannot_be_loaded_is_refused_with_its_line(shell: Shell, text: str, expected: str):
    shell.write("flow.py", text)

    result = shell.call("up", "flow.py")

    refused(shell, result)
    assert expected in result.err


@pytest.mark.feature("cli.global.exit4")
@pytest.mark.parametrize(
    "words",
    [
        ("up",),
        ("up", "nosuch.py"),
        ("up", "."),
        ("up", "flow.py", "-c", "abc"),
        ("up", "flow.py", "-c", "0"),
        ("up", "flow.py", "--bogus"),
        ("up", "flow.py", "--format", "yaml"),
        ("up", "flow.py", "--follow", "--input", '{"name": "x"}'),
        ("up", "flow.py", "--run-id", "a/b", "--input", '{"name": "x"}'),
        ("up", "flow.py", "--run-id", "latest", "--input", '{"name": "x"}'),
        ("up", "--resume"),
        ("up", "--resume", "nosuch"),
        pytest.param(("up", "--resume", "--input", "{}"), marks=pytest.mark.feature("ctx.input.immutable")),
        ("nosuch",),
        ("ps", "extra"),
        ("approve", "--iteration"),
    ],
)
def test_wrong_use_is_exit_4_on_every_command(shell: Shell, words: tuple[str, ...]):
    shell.write("flow.py", GOOD)

    refused(shell, shell.call(*words))


@pytest.mark.parametrize(
    "words", [("up", "--format=json"), ("--format", "json", "ps", "--bogus"), ("nosuch", "--json")]
)
def test_wrong_use_is_one_json_document_when_json_was_asked_for(shell: Shell, words: tuple[str, ...]):
    result = shell.call(*words)

    assert result.status == 4
    assert set(result.json) == {"error"}
    assert set(result.error) == {"code", "message", "data"}


@pytest.mark.feature("cli.up.run-id")
def test_a_reused_run_id_is_refused_and_the_old_run_is_kept(shell: Shell):
    shell.write("flow.py", GOOD)
    assert shell.call("up", "flow.py", "--run-id", "r1", "--input", '{"name": "x"}').status == 0

    result = shell.call("up", "flow.py", "--run-id", "r1", "--input", '{"name": "x"}', "--format", "json")

    assert result.status == 4
    assert result.error["code"] == "RUN_ALREADY_EXISTS"
    assert len(shell.call("ps", "--format", "json").json["runs"]) == 1
