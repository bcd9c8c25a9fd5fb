"""Every rule is needed: without it the explorer finds something, in a scenario in which nothing is wrong with it."""

from __future__ import annotations

import pytest

from tests.model.mutations import MUTATIONS, Mutation
from tests.model.records import Rules
from tests.model.scenarios import Scenario

SWEEPER = {"sweeper", "sweep_unclaimed", "looks_again"}


@pytest.mark.parametrize("mutation", MUTATIONS, ids=str)
def test_a_protocol_without_the_rule_breaks(mutation: Mutation) -> None:
    result = mutation.explore()

    assert mutation.problem in result.problem, result
    assert result.trace or mutation.prefix


@pytest.mark.parametrize("mutation", [m for m in MUTATIONS if m.dropped not in SWEEPER], ids=str)
def test_with_the_rule_the_same_scenario_is_sound(mutation: Mutation) -> None:
    result = mutation.explore(broken=False)

    assert result.complete
    assert not result.problem, result


def test_every_rule_is_switched_off_once() -> None:
    assert [mutation.dropped for mutation in MUTATIONS] == list(Rules._fields)


@pytest.mark.parametrize(
    ("flow", "faults", "relies_on"),
    [
        ("chain", ("bell",), ""),
        ("chain", ("terminate",), ""),
        ("chain", ("restart",), ""),
        ("chain", ("resume",), ""),
        ("approval", ("zombie", "bell"), "sweep"),
        ("child", ("crash", "can"), "sweep unclaimed"),
    ],
)
def test_what_the_sweeper_is_for(flow: str, faults: tuple[str, ...], relies_on: str) -> None:
    """These faults are the ones that cost a round of the sweeper: with less of it, the run does not end."""
    scenario = Scenario(flow, faults)
    mutation = Mutation("", flow, faults, "stuck", relies_on=relies_on)

    assert scenario.relies_on - set(relies_on.split())
    assert mutation.explore(broken=False).problem.startswith("stuck")
