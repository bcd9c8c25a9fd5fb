"""A crash at any point of any component leaves the run as if nothing had happened.

A choice of what `scripts/crashes` tries; the seed is fixed so that a failure comes again.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest

from smithers.engine.entry import Kind
from smithers.errors import InputError
from smithers.store import faults
from tests.crash import acts, choosing, kinds
from tests.crash.cases import SCENARIOS, Case, Outcome, Site, differences
from tests.crash.running import outcomes, server
from tests.servers.postgres import Cluster, postgres

__all__ = ["postgres"]

SEED = 7
DIES = "from smithers.store import open_store; open_store('sqlite:///{}', create=True); print('alive')"


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with server() as address:
        yield Site(address)


@pytest.fixture(scope="module")
def undisturbed(site: Site) -> dict[str, Outcome]:
    return {one.case.scenario: one for one in outcomes([Case(name) for name in SCENARIOS], site)}


def shown(undisturbed: dict[str, Outcome], cases: list[Case], site: Site) -> dict[str, list[str]]:
    """By case: in what its crash shows."""
    crashed = list(outcomes(cases, site))
    return {str(one.case): found for one in crashed if (found := differences(undisturbed[one.case.scenario], one))}


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_scenario_ends_by_itself_and_every_point_is_passed(undisturbed: dict[str, Outcome]) -> None:
    assert [f"{one.case}: {problem}" for one in undisturbed.values() for problem in one.found] == []
    assert choosing.unreached(undisturbed) == []


@pytest.mark.slow
@pytest.mark.chaos
@pytest.mark.timeout(900)
def test_a_crash_at_any_point_does_not_show_in_the_end(site: Site, undisturbed: dict[str, Outcome]) -> None:
    assert shown(undisturbed, choosing.choice(undisturbed, SEED), site) == {}


@pytest.mark.slow
@pytest.mark.chaos
@pytest.mark.timeout(900)
def test_a_crash_around_a_commit_in_postgresql_does_not_show_in_the_end(
    site: Site, undisturbed: dict[str, Outcome], postgres: Cluster
) -> None:
    """Compared with runs in SQLite that nothing has disturbed: the end does not depend on the engine either."""
    cases = choosing.of_store(undisturbed, SEED)

    assert shown(undisturbed, cases, replace(site, database=postgres.database)) == {}


def test_a_choice_has_each_point_once_and_each_scenario_twice() -> None:
    tallies = {
        name: Outcome(Case(name), tally=dict.fromkeys(faults.POINTS[number::2], 3))
        for number, name in enumerate(["a", "b"])
    } | {"continued": Outcome(Case("continued"), tally={"continue.before": 1, "continue.after": 1, "body.before": 1})}

    chosen = choosing.choice(tallies, 1)

    assert {crash.partition(":")[0] for case in chosen for crash in case.crashes} == set(faults.POINTS)
    assert all(sum(case.scenario == name for case in chosen) >= choosing.AT_LEAST for name in tallies)
    assert chosen == choosing.choice(tallies, 1)


def test_each_kind_of_fact_has_a_scenario_that_stores_it() -> None:
    """A new one gets its line in `kinds.py`, and a scenario."""
    assert {kind for kind in get_args(Kind) if kind not in kinds.STORED_IN} == set()
    assert {kind: name for kind, name in kinds.STORED_IN.items() if name not in SCENARIOS} == {}


def test_a_kind_that_its_scenario_does_not_store_is_found() -> None:
    every = dict.fromkeys(faults.POINTS, 1)
    tallies = {name: Outcome(Case(name), tally=every) for name in SCENARIOS}
    without = {point: count for point, count in every.items() if "paused" not in point}

    found = choosing.unreached(tallies | {"paused": Outcome(Case("paused"), tally=without)})

    assert choosing.unreached(tallies) == []
    assert found == [f"fact.{kind}.{side}" for kind in ("paused", "unpaused") for side in choosing.SIDES]


def test_every_act_belongs_to_a_scenario() -> None:
    assert {*acts.ACTS, *acts.OPENED, *acts.EDITED} <= set(SCENARIOS)


def test_a_choice_for_another_engine_has_each_kind_once() -> None:
    tallies = {name: Outcome(Case(name), tally=dict.fromkeys(faults.POINTS, 2)) for name in SCENARIOS}

    chosen = choosing.of_store(tallies, 1)

    at = [case.crashes[0].split(".")[:2] for case in chosen]
    assert sorted(kind for family, kind in at if family == "fact") == sorted(get_args(Kind))
    assert sum(family == "commit" for family, _ in at) == choosing.COMMITS


def python(code: str, crash: str) -> subprocess.CompletedProcess[str]:
    given = {**os.environ, faults.VARIABLE: crash}
    return subprocess.run([sys.executable, "-c", code], env=given, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("nth", "status"), [(1, -9), (2, 0)])
def test_a_process_dies_when_it_passes_the_point_for_the_nth_time(tmp_path: Path, nth: int, status: int) -> None:
    found = python(DIES.format(tmp_path / "s.db"), f"schema.before:{nth}")

    assert (found.returncode, found.stdout) == (status, "" if status else "alive\n")


def test_of_all_processes_that_inherit_the_variable_one_dies(tmp_path: Path) -> None:
    crash = f"schema.before@{tmp_path / 'died'}"

    died = [python(DIES.format(tmp_path / f"{number}.db"), crash).returncode for number in range(3)]

    assert died == [-9, 0, 0]


@pytest.mark.parametrize("text", ["commit", "commit.never", "fact.lost.before", "commit.before:0", "commit.before:x"])
def test_a_point_that_is_not_there_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="SMITHERS_CRASH_AT"):
        faults.Crash.read(text)


def test_a_point_that_is_passed_must_be_in_the_registry() -> None:
    with pytest.raises(KeyError):
        faults.passed("commit.meanwhile")
