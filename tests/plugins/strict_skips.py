"""A skipped test fails the session, unless whoever started it said that this thing may be missing.

A suite that skips what it cannot run looks green on a machine where it proves nothing. Tests say what they miss with
`tests.missing.missing("postgres", "no initdb on this machine")`; `--allow-missing postgres` lets those tests skip.
"""

from __future__ import annotations

from collections.abc import Generator

import pytest

from tests.missing import missing_name


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--allow-missing",
        action="append",
        default=[],
        metavar="NAME",
        help="let tests skip that miss NAME (several times); without it every skip is a failure",
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if not hasattr(report, "wasxfail"):
        refuse_skip(report, item.config)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    refuse_skip(report, collector.config)
    return report


def refuse_skip(report: pytest.TestReport | pytest.CollectReport, config: pytest.Config) -> None:
    """Turns a skip without leave into a failure that says how to get leave."""
    if report.outcome != "skipped":
        return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    name = missing_name(reason)
    if name in (config.getoption("--allow-missing") or ()):
        return
    report.outcome = "failed"
    hint = f"--allow-missing {name} lets it skip" if name else "only tests.missing.missing(NAME, why) may skip"
    report.longrepr = f"{report.nodeid} was skipped: {reason}\nSkips are failures here; {hint}."
