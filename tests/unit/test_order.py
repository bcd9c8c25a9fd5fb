"""Which tests run when; the plugin is shown sessions of its own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytest_plugins = ("pytester",)

ROOT = Path(__file__).parents[2]
QUICK = "def test_quick(): pass\n"
SLOW = "import pytest\n@pytest.mark.slow\ndef test_slow(): pass\n"
BOTH = QUICK + SLOW
IN_ONE = ["unit quick", "unit slow", "integration quick", "crash quick", "chaos slow"]
SIDE_BY_SIDE = ["unit quick", "unit slow", "chaos slow", "integration quick", "crash quick"]


@pytest.mark.parametrize(("options", "expected"), [((), IN_ONE), (("-n", "1", "--dist", "loadfile"), SIDE_BY_SIDE)])
def test_quick_comes_first_in_one_process_and_what_takes_long_is_not_left_for_the_end_side_by_side(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], expected: list[str]
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    pytester.makeconftest('pytest_plugins = ("tests.plugins.order",)')
    pytester.makeini("[pytest]\nmarkers = slow\naddopts = --import-mode=importlib")
    for folder, text in {"chaos": SLOW, "crash": QUICK, "integration": QUICK, "unit": BOTH}.items():
        path = pytester.path / "tests" / folder / f"test_{folder}.py"
        path.parent.mkdir(parents=True)
        path.write_text(text)

    result = pytester.runpytest_subprocess("-v", "-p", "no:cacheprovider", "--no-loadscope-reorder", *options)

    passed = [line for line in result.outlines if "PASSED" in line]
    assert [" ".join(re.findall(r"tests/(\w+)/\w+\.py::test_(\w+)", line)[0]) for line in passed] == expected
