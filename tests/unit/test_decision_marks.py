"""A test that names a decision which there is not is refused, before anything runs."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest_plugins = ("pytester",)

ROOT = Path(__file__).parents[2]
INI = "[pytest]\nmarkers = decision(*numbers)\naddopts = -p no:cacheprovider -p tests.plugins.decisions\n"


@pytest.mark.parametrize(("marked", "status"), [('"0024"', 0), ('"0024", "9999"', 4), ("", 4)])
def test_a_mark_names_decisions_that_there_are(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, marked: str, status: int
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    pytester.makeini(INI)
    pytester.makepyfile(f"import pytest\n@pytest.mark.decision({marked})\ndef test_a(): pass\n")

    result = pytester.runpytest_subprocess()

    assert result.ret == status
    if status:
        result.stderr.fnmatch_lines(["*test_a: no decision has the number *"])
