"""Effects without fault points around them are found, and points that nobody knows."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.checks.points import Rules, check
from scripts.checks.tree import from_git
from tests.unit.checks.trees import plant

STORE = "platform/smithers/store/engine.py"
RULES = Rules(effects={"smithers.store": ("commit", "transaction")}, exceptions={})
BEFORE, AFTER = (f'if faults.armed:\n        faults.{side}("commit")' for side in ("before", "after"))


def found(root: Path, body: str, rules: Rules = RULES) -> list[tuple[int, str]]:
    tree = plant(root, {STORE: f"def save(connection):\n    {body}\n"})
    return [(finding.line, finding.message) for finding in check(tree, rules).findings]


def test_this_repository_has_points_around_every_effect() -> None:
    assert check(from_git(Path(__file__).parents[3])).findings == ()


def test_a_commit_between_its_points_is_let_through(tmp_path: Path) -> None:
    assert found(tmp_path, f"{BEFORE}\n    connection.commit()\n    {AFTER}") == []


@pytest.mark.parametrize(
    "body", ["{commit}", "{before}\n    {commit}", "{commit}\n    {after}", "{after}\n    {commit}\n    {before}"]
)
def test_a_commit_without_both_points_is_found(tmp_path: Path, body: str) -> None:
    ((_, message),) = found(tmp_path, body.format(commit="connection.commit()", before=BEFORE, after=AFTER))

    assert "connection.commit(...)" in message


def test_a_transaction_commits_at_the_end_of_its_block(tmp_path: Path) -> None:
    inside = BEFORE.replace("\n    ", "\n        ")

    assert found(tmp_path, f"with connection.transaction():\n        work()\n        {inside}\n    {AFTER}") == []
    assert len(found(tmp_path, f"with connection.transaction():\n        work()\n    {AFTER}")) == 1


def test_a_point_that_looks_even_when_nothing_is_armed_is_found(tmp_path: Path) -> None:
    ((line, message),) = found(tmp_path, 'faults.before("commit")')

    assert (line, "if faults.armed" in message) == (2, True)


def test_a_place_that_is_not_in_the_registry_is_found(tmp_path: Path) -> None:
    ((_, message),) = found(tmp_path, 'if faults.armed:\n        faults.before("somewhere")')

    assert "'somewhere' is not in the registry" in message


def test_an_exception_that_is_not_needed_is_found(tmp_path: Path) -> None:
    excuse = {("smithers.store.engine", "save"): "because"}
    rules = Rules(RULES.effects, excuse)

    assert found(tmp_path, "connection.commit()", rules) == []
    ((_, message),) = found(tmp_path, "pass", rules)
    assert "exception smithers.store.engine, save is not needed" in message
