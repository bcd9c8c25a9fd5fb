"""Skips fail a session; the plugin is shown sessions of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest_plugins = ("pytester",)

ROOT = Path(__file__).parents[2]
SKIPS = {
    "a marker": "import pytest\n@pytest.mark.skip(reason='later')\ndef test_a(): pass\n",
    "a call": "import pytest\ndef test_a(): pytest.skip('later')\n",
    "a fixture": "import pytest\n@pytest.fixture\ndef f(): pytest.skip('later')\ndef test_a(f): pass\n",
    "a module": "import pytest\npytest.skip('later', allow_module_level=True)\n",
    "a missing import": "import pytest\npytest.importorskip('no_such_module')\n",
}
MISSING = "from tests.missing import missing\ndef test_a(): missing('moon', 'it is day')\n"


def session(pytester: pytest.Pytester, text: str, *options: str) -> pytest.RunResult:
    pytester.makeconftest('pytest_plugins = ("tests.plugins.strict_skips",)')
    pytester.makepyfile(text)
    return pytester.runpytest_subprocess("-p", "no:cacheprovider", *options)


@pytest.fixture(autouse=True)
def _reach_the_plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


@pytest.mark.parametrize("way", SKIPS)
def test_a_skip_fails_the_session(pytester: pytest.Pytester, way: str) -> None:
    result = session(pytester, SKIPS[way])

    assert result.ret in (pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.INTERRUPTED)
    result.stdout.fnmatch_lines(["*Skips are failures here*"])


@pytest.mark.parametrize("way", ["a call", "a module"])
def test_a_skip_in_another_process_fails_the_session(pytester: pytest.Pytester, way: str) -> None:
    result = session(pytester, SKIPS[way], "-n", "1")

    assert result.ret in (pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.INTERRUPTED)
    result.stdout.fnmatch_lines(["*Skips are failures here*"])


def test_a_test_that_misses_something_allowed_may_skip(pytester: pytest.Pytester) -> None:
    result = session(pytester, MISSING, "--allow-missing", "moon")

    assert result.ret == pytest.ExitCode.OK
    result.assert_outcomes(skipped=1)


def test_leave_is_for_one_name(pytester: pytest.Pytester) -> None:
    result = session(pytester, MISSING, "--allow-missing", "sun")

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*--allow-missing moon lets it skip*"])
