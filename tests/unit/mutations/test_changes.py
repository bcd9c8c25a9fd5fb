"""Changes are small, mean something else, and leave alone what nobody promises."""

from __future__ import annotations

import ast

import pytest

from scripts.mutations.changes import changes

PATH = "platform/smithers/engine/example.py"


def changed(body: str) -> list[str]:
    """Every version of a function's only line."""
    data = f"def f(a, b):\n    {body}\n".encode()
    return [one.apply(data).decode().split("\n    ", 1)[1].rstrip("\n") for one in changes(PATH, data)]


@pytest.mark.parametrize(
    ("body", "versions"),
    [
        ("return a < b", ["return a <= b"]),
        ("return a is None", ["return a is not None"]),
        ("return a in b", ["return a not in b"]),
        ("return a and b", ["return ((a) or (b))"]),
        ("return not a", ["return (a)"]),
        ("return a - b", ["return (a + b)"]),
        ("return 3", ["return 4"]),
        ("return True", ["return False"]),
        ("a.save(b)", ["pass"]),
        ("a += b", ["pass"]),
        ("a.b = b", ["pass"]),
        ("return b if a else None", ["return b if (not (a)) else None"]),
        ("return [x for x in a if x]", ["return [x for x in a if (not (x))]"]),
    ],
)
def test_a_line_is_changed_as_a_tired_person_might(body: str, versions: list[str]) -> None:
    assert changed(body) == versions


@pytest.mark.parametrize(
    "body",
    [
        '"""1 is less than 2."""',
        "raise ValueError(1 < 2)",
        "assert a < b",
        "a: Literal[3]",
        "log.info(3)",
        'return f"{1}"',
    ],
)
def test_what_nobody_promises_stays_as_it_is(body: str) -> None:
    assert changed(body) == []


def test_fault_points_stay_as_they_are() -> None:
    assert changed('if faults.armed:\n        faults.before("commit")') == []


def test_what_is_outside_of_functions_stays_as_it_is() -> None:
    assert changes(PATH, b"A = 1\n\nclass B:\n    c = 2\n\n    def f(self, d=3):\n        return d\n") == []


def test_a_change_knows_its_function_and_shows_its_line() -> None:
    data = "class B:\n    def f(self):\n        # ä\n        return 'ä' if self else 1 > 0\n".encode()

    (compared,) = [one for one in changes(PATH, data) if one.after == "1 >= 0"]

    assert compared.identity == (PATH, "B.f", "1 > 0", "1 >= 0")
    assert compared.diff(data) == (
        f"{PATH}:4  in B.f\n-        return 'ä' if self else 1 > 0\n+        return 'ä' if self else 1 >= 0"
    )


def test_every_change_of_a_file_can_be_parsed() -> None:
    lines = [
        "def f(a, b):",
        "    if not a or (b and",
        "            a > 1):",
        "        b.c = [x for x in b if x]",
        "    yield a",
    ]
    data = "\n".join(lines).encode()

    found = changes(PATH, data)

    assert len(found) > 5
    for one in found:
        ast.parse(one.apply(data))
