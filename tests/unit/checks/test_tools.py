"""Checks that other programs do refuse what they should, and say where."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.checks import tools
from scripts.checks.__main__ import main, told
from scripts.checks.finding import Finding, Report
from tests.unit.checks.trees import plant

PROJECT = '[project]\nname = "x"\nversion = "1"\nrequires-python = ">=3.11"\ndependencies = []\n'


def test_an_unformatted_file_is_found(tmp_path: Path) -> None:
    report = tools.formatting(plant(tmp_path, {"good.py": "x = 1\n", "bad.py": "x=1\n"}))

    assert [finding.path for finding in report.findings] == ["bad.py"]
    assert not report.passed


def test_a_file_that_does_not_parse_is_not_well_formatted(tmp_path: Path) -> None:
    assert not tools.formatting(plant(tmp_path, {"bad.py": "def\n"})).passed


def test_a_broken_rule_is_found_with_its_line(tmp_path: Path) -> None:
    report = tools.linting(plant(tmp_path, {"bad.py": "x = 1\nimport os\n"}))

    assert {(finding.path, finding.line) for finding in report.findings} == {("bad.py", 2)}


@pytest.mark.timeout(120)
def test_a_type_error_is_found_with_its_line(tmp_path: Path) -> None:
    (finding,) = tools.types(plant(tmp_path, {"bad.py": "x = 1\ny: str = x\n"})).findings

    assert (finding.path, finding.line) == ("bad.py", 2)
    assert "reportAssignmentType" in finding.message


def test_a_missing_lock_file_is_found(tmp_path: Path) -> None:
    report = tools.lock(plant(tmp_path, {"pyproject.toml": PROJECT}))

    assert not report.passed
    assert "lock" in report.output


def test_a_failed_check_is_one_line_and_its_findings() -> None:
    report = Report((Finding("a.py", 3, "is wrong"), Finding("b.py", 0, "is long")), "12 files")

    assert told("shape", report, 0.5).splitlines() == [
        "shape    FAILED (2)  [0.5 s]",
        "  a.py:3: is wrong",
        "  b.py: is long",
    ]


def test_a_passed_check_is_one_line() -> None:
    assert told("shape", Report((), "12 files"), 0.5) == "shape    ok  12 files  [0.5 s]"


def test_an_unknown_check_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as error:
        main(["shapes"])

    assert error.value.code == 2
    assert "no check is called shapes" in capsys.readouterr().err
