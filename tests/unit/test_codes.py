"""Error codes: one list, which is whole, explained and kept over every border."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

import smithers.errors
from scripts.written_docs import DOCS, documents
from smithers import NonRetryable, SmithersError, Task, TryCatchFinally, Workflow
from smithers.codes import KNOWN, LIST, code, is_known
from smithers.testing import simulate

ROOT = Path(__file__).parents[2]
SOURCES = [file for folder in ("platform", "activities") for file in sorted((ROOT / folder).rglob("*.py"))]


class Out(BaseModel):
    n: int = 0


def pay() -> Out:
    raise NonRetryable("The card was declined.", code="CARD_DECLINED", card="1234")


def classes(root: type[SmithersError] = SmithersError) -> Iterator[type[SmithersError]]:
    yield root
    for one in root.__subclasses__():
        if one.__module__ == smithers.errors.__name__:
            yield from classes(one)


def text(node: ast.expr | None) -> Iterator[str]:
    """The texts that an expression may be."""
    match node:
        case ast.Constant(value=str(value)):
            yield value
        case ast.IfExp(body=body, orelse=other):
            yield from (*text(body), *text(other))
        case _:
            return


def given(tree: ast.AST) -> Iterator[str]:
    """The codes that a source gives: `code="..."`, `{"code": "..."}`, and constants that end up there."""
    constants = {
        one.target.id: one.value.value
        for one in ast.walk(tree)
        if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name) and isinstance(one.value, ast.Constant)
    }
    for node in ast.walk(tree):
        values: list[ast.expr | None] = []
        match node:
            case ast.keyword(arg="code", value=value) | ast.Assign(targets=[ast.Name("code")], value=value):
                values = [value]
            case ast.Dict(keys=keys, values=found):
                pairs = zip(keys, found, strict=True)
                values = [value for key, value in pairs if isinstance(key, ast.Constant) and key.value == "code"]
            case _:
                continue
        for value in values:
            yield from text(value)
            if isinstance(value, ast.Name) and isinstance(constants.get(value.id), str):
                yield str(constants[value.id])


def test_every_code_that_is_given_is_in_the_list_and_every_one_in_the_list_is_given() -> None:
    by_classes = {one.code for one in classes()}
    by_name = {name for file in SOURCES for name in given(ast.parse(file.read_text()))}

    assert by_classes | {name for name in by_name if re.fullmatch("[A-Z][A-Z_]+", name)} == set(KNOWN)
    assert len(KNOWN) == len(LIST)


@pytest.mark.parametrize("name", ["errors.md", "events.md"])
def test_written_documents_are_those_of_the_code(name: str) -> None:
    assert (DOCS / name).read_text() == documents()[name], "run scripts/write_docs"


@pytest.mark.feature("errh.list", "errh.isknown", "errh.def")
def test_programs_can_look_codes_up() -> None:
    found = code("INVALID_INPUT")

    assert found is not None
    assert (found.name, found.area, found.data) == ("INVALID_INPUT", "input", ("fields",))
    assert all(one.meaning.endswith(".") and one.advice.endswith(".") for one in LIST)
    assert "INVALID_INPUT" in KNOWN
    assert is_known("INVALID_INPUT")
    assert not is_known("CARD_DECLINED")
    assert code("CARD_DECLINED") is None


@pytest.mark.feature("errh.class", "errh.is", "errh.json")
@pytest.mark.parametrize("kind", list(classes()), ids=lambda one: one.__name__)
def test_every_error_has_one_class_above_it_a_code_and_a_wire_form(kind: type[SmithersError]) -> None:
    error = kind("It broke.", where="flow.py:3")

    assert isinstance(error, SmithersError)
    assert error.wire() == {"code": kind.code, "message": "It broke.", "data": {"where": "flow.py:3"}}
    assert str(kind()) == kind().message == kind.__doc__


@pytest.mark.feature("errh.custom", "errh.roundtrip")
def test_an_authors_code_comes_back_in_the_runs_error_and_in_what_catches_it() -> None:
    from smithers.engine.chronicle import events_of

    caught: list[str] = []

    def amend(failure: Any) -> Task[Out]:
        caught.append(failure.code)
        return Task("mend", output=Out)[Out()]

    tree = Task("pay", output=Out)[pay]
    failed = simulate(Workflow("w", lambda ctx: tree, None))
    block = TryCatchFinally(catch=amend, catch_errors=["CARD_DECLINED"])[tree]
    mended = simulate(Workflow("w", lambda ctx: block, None))

    assert failed.error is not None
    assert (failed.error["code"], failed.error["message"]) == ("CARD_DECLINED", "The card was declined.")
    codes = [one.fields["error"]["code"] for one in events_of(failed.run.log) if "error" in one.fields]
    assert codes == ["CARD_DECLINED", "CARD_DECLINED"]
    assert (mended.status, caught[0]) == ("finished", "CARD_DECLINED")
