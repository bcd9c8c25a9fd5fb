"""Each limit on the shape of the code refuses what is above it, and lets through what is at it."""

from __future__ import annotations

import ast
from pathlib import Path
from textwrap import dedent, indent

import pytest

from scripts.checks.shape import Limits, check, nesting, parameters
from tests.unit.checks.trees import plant

FILE = "platform/smithers/engine/a.py"


def messages(root: Path, text: str, path: str = FILE, limits: Limits | None = None) -> list[str]:
    return [finding.message for finding in check(plant(root, {path: text}), limits).findings]


def nested(depth: int) -> str:
    text = "pass\n"
    for _ in range(depth):
        text = "if x:\n" + indent(text, "    ")
    return "def f(x):\n" + indent(text, "    ")


def test_a_long_file_is_found(tmp_path: Path) -> None:
    assert messages(tmp_path, "x = 1\n" * 600) == []
    assert messages(tmp_path, "x = 1\n" * 601) == ["601 lines, at most 600: which second concept is in it?"]


def test_a_long_function_is_found(tmp_path: Path) -> None:
    assert messages(tmp_path, "def f():\n" + "    x = 1\n" * 69) == []
    assert messages(tmp_path, "def f():\n" + "    x = 1\n" * 70) == ["f: 71 lines, at most 70"]


def test_deep_nesting_is_found(tmp_path: Path) -> None:
    assert messages(tmp_path, nested(4)) == []
    assert messages(tmp_path, nested(5)) == ["f: nested 5 deep, at most 4"]


@pytest.mark.parametrize(
    ("text", "depth"),
    [
        ("if a:\n  x\nelif b:\n  x\nelif c:\n  x\nelse:\n  x", 1),
        ("if a:\n  x\nelse:\n  if b:\n    x", 2),
        ("for a in b:\n  while c:\n    x", 2),
        ("with a:\n  try:\n    x\n  except E:\n    if b:\n      x\n  finally:\n    x", 3),
        ("match a:\n  case 1:\n    x\n  case 2:\n    if b:\n      x", 2),
        ("def g():\n  if a:\n    if b:\n      x", 0),
        ("try:\n  x\nexcept* E:\n  for a in b:\n    x", 2),
    ],
)
def test_blocks_nest_and_branches_do_not(text: str, depth: int) -> None:
    assert nesting(ast.parse(text).body) == depth


@pytest.mark.parametrize(
    ("signature", "count"),
    [("self, a", 1), ("cls", 0), ("a, /, b, *, c, d=1", 4), ("*args, k, **rest", 3), ("a, self", 2)],
)
def test_every_parameter_counts_but_self(signature: str, count: int) -> None:
    (function,) = ast.parse(f"def f({signature}): pass").body

    assert isinstance(function, ast.FunctionDef)
    assert len(parameters(function)) == count


def test_many_parameters_are_found(tmp_path: Path) -> None:
    assert messages(tmp_path, "def f(a, b, c, *, d, e, f): pass\n") == []
    assert messages(tmp_path, "def f(a, b, c, *, d, e, f, g): pass\n") == [
        "f: 7 parameters, at most 6: put them into a frozen spec"
    ]


def test_fields_of_a_dataclass_are_no_parameters(tmp_path: Path) -> None:
    fields = "".join(f"    field_{number}: int\n" for number in range(12))

    assert messages(tmp_path, f"@dataclass\nclass Spec:\n{fields}") == []


def test_many_parameters_pass_with_a_reason_only(tmp_path: Path) -> None:
    call = "def f(  # shape: parameters:{why}\n    a, b, c, d, e, f, g,\n):\n    pass\n"

    assert messages(tmp_path, call.format(why=" one per option of the command")) == []
    assert len(messages(tmp_path, call.format(why=""))) == 1


def test_a_reason_that_is_not_needed_is_found(tmp_path: Path) -> None:
    text = "def f(a):  # shape: parameters: one per option\n    pass\n"

    assert messages(tmp_path, text) == ["f: its `# shape: parameters` comment is not needed"]


def test_a_package_that_gives_many_names_is_found(tmp_path: Path) -> None:
    text = "\n".join(f"from smithers.engine.plan import n{number} as n{number}" for number in range(21))

    assert messages(tmp_path, text, "platform/smithers/engine/__init__.py") == ["gives 21 names, at most 20"]


def test_names_given_are_those_of_all_where_it_is_there(tmp_path: Path) -> None:
    text = "\n".join([f"x{number} = 1" for number in range(30)] + ["__all__ = ['x1', 'x2']"])

    assert messages(tmp_path, text, "platform/smithers/engine/__init__.py") == []


def test_smithers_itself_may_give_more_names(tmp_path: Path) -> None:
    text = "\n".join(f"x{number} = 1" for number in range(40))

    assert messages(tmp_path, text, "platform/smithers/__init__.py") == []


def test_a_package_called_platform_is_found(tmp_path: Path) -> None:
    (message,) = messages(tmp_path, "", "platform/__init__.py")

    assert "standard library" in message


def test_the_summary_tells_sizes_against_the_aims(tmp_path: Path) -> None:
    tree = plant(tmp_path, {FILE: dedent("def f():\n    pass\n")})

    assert check(tree).summary.startswith("1 files 2/2, 1 functions 2/2 lines")
