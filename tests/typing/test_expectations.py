"""A type checker helps an author: it sees exactly the errors that the files of this folder expect."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.checks.tools import pyright

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
CASES = sorted(path.relative_to(ROOT).as_posix() for path in HERE.glob("*.py") if not path.name.startswith("test_"))


@pytest.mark.feature("task.output.schema", "props.task.output.schema")
@pytest.mark.timeout(120)
def test_pyright_sees_what_authors_should_see() -> None:
    report = pyright(ROOT, CASES, CASES)

    assert "\n".join(map(str, report.findings)) == ""
    assert report.passed, report.output


@pytest.mark.timeout(120)
def test_an_expectation_that_does_not_hold_is_noticed(tmp_path: Path) -> None:
    case = tmp_path / "case.py"
    case.write_text("x: int = 'a'\ny: int = 1  # expect: reportAssignmentType\n", "utf-8")

    report = pyright(tmp_path, ["case.py"], ["case.py"])

    assert [(finding.path, finding.line) for finding in report.findings] == [("case.py", 1), ("case.py", 2)]
