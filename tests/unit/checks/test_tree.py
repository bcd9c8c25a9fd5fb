"""What checks look at: all files that are or would be under version control."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from scripts.checks.tree import Source, from_git
from tests.unit.checks.trees import plant


def test_new_files_are_looked_at_and_ignored_ones_are_not(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    plant(tmp_path, {".gitignore": "build/\n", "scripts/a.py": "x = 1\n", "build/b.py": "x = 1\n", "gone.py": ""})
    subprocess.run(["git", "-C", str(tmp_path), "add", "gone.py"], check=True)
    (tmp_path / "gone.py").unlink()

    tree = from_git(tmp_path)

    assert tree.files == (".gitignore", "scripts/a.py")
    assert [source.path for source in tree.sources] == ["scripts/a.py"]


@pytest.mark.parametrize(
    ("path", "module"),
    [
        ("platform/smithers/flow/task.py", "smithers.flow.task"),
        ("platform/smithers/flow/__init__.py", "smithers.flow"),
        ("activities/smithers_activities/compute.py", "smithers_activities.compute"),
        ("scripts/checks/tree.py", "scripts.checks.tree"),
    ],
)
def test_a_module_is_named_as_it_is_imported(path: str, module: str) -> None:
    assert Source(path, "").module == module
