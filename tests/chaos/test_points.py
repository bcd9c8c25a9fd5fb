"""A real command survives the death of its worker right after a fact was stored."""

from __future__ import annotations

import pytest

from smithers.store import faults
from tests.chaos.place import Place


@pytest.mark.chaos
@pytest.mark.timeout(120)
def test_a_command_whose_worker_dies_between_a_fact_and_its_answer_ends_well(here: Place) -> None:
    """All its processes inherit the variable; the file lets one of them die, once."""
    died = here.root / "died"
    here.env[faults.VARIABLE] = f"fact.ended.after@{died}"
    file = here.plant("hello").name

    done = here.call("up", file, "--run-id", "r1")

    assert (done.status, died.exists()) == (0, True), done.err
    assert here.open().run("r1").status == "finished"
    assert sum(entry.kind == "claim" for entry in here.open().entries("r1")) == 1
