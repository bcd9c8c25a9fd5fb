"""Each rule about imports refuses a tree that breaks it."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.checks.imports import Rules, check
from tests.unit.checks.trees import plant

P = "platform/smithers"


def messages(root: Path, files: dict[str, str]) -> list[str]:
    return [str(finding) for finding in check(plant(root, files), Rules(exceptions={})).findings]


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (f"{P}/flow/a.py", "from smithers.engine.plan import Planner"),
        (f"{P}/engine/a.py", "import smithers.store.sqlite"),
        (f"{P}/engine/a.py", "from smithers import store"),
        (f"{P}/store/a.py", "from smithers.temporal.bell import ring"),
        (f"{P}/temporal/a.py", "from smithers.worker.embedded import EmbeddedWorker"),
        (f"{P}/server/a.py", "from smithers.worker.code import load"),
        (f"{P}/worker/a.py", "from smithers.cli.main import main"),
        (f"{P}/worker/a.py", "from smithers.api.starting import run"),
        (f"{P}/api/a.py", "from smithers.cli.main import main"),
        (f"{P}/cli/a.py", "from smithers.api.starting import run"),
        (f"{P}/views/a.py", "from smithers.cli.main import main"),
        (f"{P}/views/a.py", "from smithers.worker.code import load"),
        (f"{P}/temporal/a.py", "from smithers.views.outputs import outputs_of"),
        (f"{P}/store/a.py", "import smithers_activities.compute"),
        (f"{P}/errors.py", "from smithers.flow.task import Task"),
        ("activities/smithers_activities/a.py", "from smithers.temporal.step import step"),
        ("activities/smithers_activities/a.py", "from smithers.store import open_store"),
        ("sandboxes/smithers_sandboxes/a.py", "from smithers_activities.compute import run"),
        ("observability/smithers_observability/a.py", "import smithers_sandboxes"),
    ],
)
def test_an_import_against_the_direction_is_found(tmp_path: Path, path: str, line: str) -> None:
    (message,) = messages(tmp_path, {path: f"{line}\n"})

    assert message.startswith(f"{path}:1: ")
    assert "imports point the other way" in message


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (f"{P}/engine/a.py", "from smithers.flow.task import Task"),
        (f"{P}/store/a.py", "from smithers.engine.entry import Entry"),
        (f"{P}/store/a.py", "from smithers.store.records import Run"),
        (f"{P}/temporal/a.py", "from smithers.store import open_store"),
        (f"{P}/temporal/a.py", "from temporalio import workflow"),
        (f"{P}/worker/a.py", "from smithers_activities.compute import run"),
        (f"{P}/cli/a.py", "from smithers.worker.embedded import EmbeddedWorker"),
        (f"{P}/api/a.py", "from smithers.worker.prepare import prepare"),
        (f"{P}/worker/a.py", "from smithers.views.children import children"),
        (f"{P}/views/a.py", "from smithers.store.records import Run"),
        (f"{P}/testing/a.py", "from smithers.temporal.driver import Driver"),
        ("activities/smithers_activities/a.py", "from smithers.flow.body import TaskBody"),
        ("sandboxes/smithers_sandboxes/a.py", "from smithers.errors import TaskError"),
        ("scripts/a.py", "import temporalio, smithers.cli"),
    ],
)
def test_an_import_in_the_direction_is_let_through(tmp_path: Path, path: str, line: str) -> None:
    assert messages(tmp_path, {path: f"{line}\n"}) == []


def test_late_and_typing_only_imports_are_imports_too(tmp_path: Path) -> None:
    late = "def f():\n    import smithers.store\n"
    typing_only = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import smithers.store\n"
    by_name = "from importlib import import_module\nimport_module('smithers.store')\n"

    for number, text in enumerate((late, typing_only, by_name)):
        assert messages(tmp_path / str(number), {f"{P}/flow/a.py": text}), text


@pytest.mark.parametrize("module", ["os", "time", "random", "socket", "threading", "sqlite3", "subprocess"])
@pytest.mark.parametrize("package", ["flow", "engine", "components"])
def test_pure_packages_import_nothing_impure(tmp_path: Path, package: str, module: str) -> None:
    (message,) = messages(tmp_path, {f"{P}/{package}/a.py": f"import {module}\n"})

    assert "is pure" in message


def test_pure_packages_do_not_read_the_clock(tmp_path: Path) -> None:
    text = "import datetime\nx = datetime.datetime.now(datetime.UTC)\ny = datetime.datetime.max\n"

    (message,) = messages(tmp_path, {f"{P}/engine/a.py": text})

    assert message == f"{P}/engine/a.py:2: smithers.engine.a reads the clock: take the time as an argument"


@pytest.mark.parametrize("package", ["engine", "store", "worker", "cli", "testing"])
def test_only_the_temporal_package_imports_temporalio(tmp_path: Path, package: str) -> None:
    found = messages(tmp_path, {f"{P}/{package}/a.py": "def f():\n    from temporalio.client import Client\n"})

    assert any("belongs to smithers.temporal" in message for message in found)


def test_nobody_imports_the_orm(tmp_path: Path) -> None:
    found = messages(tmp_path, {f"{P}/store/a.py": "from sqlalchemy import orm\n"})

    assert found == [f"{P}/store/a.py:1: smithers.store imports sqlalchemy.orm, which belongs to nobody"]


def test_a_package_without_a_line_in_the_table_is_found(tmp_path: Path) -> None:
    (message,) = messages(tmp_path, {f"{P}/gadgets/a.py": "x = 1\n"})

    assert "smithers.gadgets.a has no line" in message


def test_an_exception_lets_one_module_import_one_thing(tmp_path: Path) -> None:
    tree = plant(tmp_path, {f"{P}/flow/a.py": "import threading\n", f"{P}/flow/b.py": "import threading\n"})
    rules = Rules(exceptions={("smithers.flow.a", "threading"): "a reason"})

    (finding,) = check(tree, rules).findings

    assert finding.path == f"{P}/flow/b.py"


def test_an_exception_that_is_not_needed_is_found(tmp_path: Path) -> None:
    tree = plant(tmp_path, {f"{P}/flow/a.py": "x = 1\n"})
    rules = Rules(exceptions={("smithers.flow.a", "threading"): "a reason"})

    (finding,) = check(tree, rules).findings

    assert "smithers.flow.a -> threading is not needed" in finding.message
