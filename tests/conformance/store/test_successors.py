"""Runs that go on for others: made with the frame that ends the one before, or not at all."""

from __future__ import annotations

from typing import Any

import pytest

from smithers.engine.command import Command
from smithers.engine.entry import EndedRun, Fact
from smithers.engine.handover import LONGEST_ROOT, id_after
from smithers.store.interface import Store
from smithers.store.records import Append, Appended, Launch, NewRun, Run, Search, Told
from smithers.store.successors import following, last_of
from tests.conformance.store.make import Maker, command, fact, new_run, plan

pytestmark = pytest.mark.decision("0032")

SUBFLOW = command(1, "part", kind="subflow", payload={})
PLACE: dict[str, Any] = {"run": "build-1", "node": "part", "iteration": "0", "depth": 1}


def after(run: Run, **changes: Any) -> NewRun:
    """The run that goes on for this one."""
    before = run.continues or {"root": run.run_id, "generation": 0}
    about = {"run": run.run_id, "root": before["root"], "generation": before["generation"] + 1, "idle": 0}
    kept = Fact("carried", "carried", {"payload": {"page": "é" * 3000}}), fact("signal:before:3", name="paid")
    values: dict[str, Any] = {"parent": run.parent, "continues": about, "kept": kept, "tags": {"team": "a"}}
    return new_run(id_after(about), **(values | changes))


def hand_over(store: Store, run_id: str, covers: int | None = None, number: int = 1) -> Appended:
    run = store.run(run_id)
    ending: dict[str, Any] = {"status": "continued", "successor": after(run), "carried_bytes": 7}
    last = plan(run.planned, run.head if covers is None else covers, number, **ending)
    return store.append(Append(run_id, plan=last))


@pytest.mark.feature("continueasnew.status", "continueasnew.auto-start")
def test_the_other_run_is_made_with_the_frame(store: Store, run: Maker) -> None:
    done = hand_over(store, "build-1")

    other = store.run("build-1.g1")
    assert (done.planned, run.row.status, other.status) == (True, "continued", "running")
    assert (other.workflow, other.digest, other.source) == (run.row.workflow, run.row.digest, run.row.source)
    assert other.continues == {"run": "build-1", "root": "build-1", "generation": 1, "idle": 0}
    assert (other.tags, other.head, other.planned) == ({"team": "a"}, 3, 0)
    log = store.entries("build-1.g1")
    assert [(entry.kind, entry.key) for entry in log] == [
        ("started", "started"),
        ("carried", "carried"),
        ("signal", "signal:before:3"),
    ]
    assert log[1].data["payload"] == {"page": "é" * 3000}
    assert (run.log[-1].kind, run.log[-1].data) == (
        "continued",
        {"run": "build-1.g1", "root": "build-1", "generation": 1, "bytes": 7, "depth": 1},
    )
    assert [one.run_id for one in store.due_runs()] == ["build-1.g1"]
    assert [one.run_id for one in store.search(Search(chain="build-1"))] == ["build-1.g1"]
    assert [one.run_id for one in store.search(Search(tags={"team": "a"}))] == ["build-1.g1"]


def test_without_the_frame_there_is_no_other_run(store: Store, run: Maker) -> None:
    run.plan()
    run.append(fact("late"))

    assert not store.append(Append("build-1", plan=plan(0, 2, 2, status="continued", successor=after(run.row)))).planned
    assert [one.run_id for one in store.search(Search())] == ["build-1"]
    assert (run.row.status, following(store, "build-1")) == ("running", "")


def test_what_comes_late_has_the_frame_refused(store: Store, run: Maker) -> None:
    run.append(fact("late"))

    assert not hand_over(store, "build-1", covers=1).planned
    assert [one.run_id for one in store.search(Search())] == ["build-1"]
    assert hand_over(store, "build-1").planned


def test_a_frame_ahead_that_others_have_written_before_is_refused(store: Store, run: Maker) -> None:
    run.append(fact("other"))
    ahead = plan(0, -1, status="continued", successor=after(run.row))

    assert not run.append(fact("mine"), plan=ahead, head_seen=1).planned
    assert [one.run_id for one in store.search(Search())] == ["build-1"]


def test_an_id_that_somebody_has_gets_a_number(store: Store, run: Maker) -> None:
    store.create_run(new_run("build-1.g1"))
    store.create_run(new_run("build-1.g1-2"))
    hand_over(store, "build-1")

    assert following(store, "build-1") == "build-1.g1-3"
    assert last_of(store, run.row).run_id == "build-1.g1-3"
    hand_over(store, "build-1.g1-3")
    assert last_of(store, run.row).run_id == "build-1.g2"


def test_long_ids_that_begin_alike_have_chains_of_their_own(store: Store) -> None:
    roots = [f"{'x' * LONGEST_ROOT}-{name}" for name in "ab"]
    for root in roots:
        store.create_run(new_run(root))
    for generation in (1, 2):
        for root in roots:
            hand_over(store, last_of(store, store.run(root)).run_id)
            assert (last_of(store, store.run(root)).continues or {})["generation"] == generation

    chains = [[one.run_id for one in store.search(Search(chain=root))] for root in roots]
    assert [len(chain) for chain in chains] == [2, 2]
    assert not set(chains[0]) & set(chains[1])
    assert all(len(run_id) <= 100 for chain in chains for run_id in chain)
    for root, chain in zip(roots, chains, strict=True):
        assert {(store.run(run_id).continues or {})["root"] for run_id in chain} == {root}
        assert following(store, following(store, root)) == last_of(store, store.run(root)).run_id


def test_amending_keeps_a_run_in_its_chain(store: Store, run: Maker) -> None:
    hand_over(store, "build-1")
    amended = Fact("amended", "amended:1", {"input": {"title": "y"}})
    assert store.append(Append("build-1.g1", (amended,))).outcomes == ("stored",)

    assert [one.run_id for one in store.search(Search(chain="build-1"))] == ["build-1.g1"]


# Chains of child runs


def request(attempt: int = 1, goes_on: str = "") -> Launch:
    about = command(attempt, "part", attempt=attempt, kind="subflow", payload={})
    return Launch(new_run(f"build-1.part.{attempt}", parent=PLACE), about, 1, goes_on, {"worker": "w"})


def end(store: Store, run_id: str, status: str, number: int = 1) -> None:
    """A child's last frame, of a chain that began with the first attempt's."""
    run = store.run(run_id)
    told = {"outcome": status, "run": run_id, "output": {"text": "z"}}
    closing = Command(number, "complete" if status == "finished" else "fail", payload={"status": status, "told": told})
    last = Told("build-1", "part", "0", told, "build-1.part.1")
    write = plan(run.planned, run.head, number, (closing,), status=status, told=last)
    assert store.append(Append(run_id, plan=write)).planned


@pytest.mark.feature("subflow.lineage")
def test_only_the_last_of_a_childs_chain_is_told_to_the_parent(store: Store, run: Maker) -> None:
    run.plan(SUBFLOW)
    store.launch(request())
    hand_over(store, "build-1.part.1")
    assert [entry.kind for entry in run.log] == ["started", "frame", "launched"]

    end(store, "build-1.part.1.g1", "finished")

    assert (run.log[-1].kind, run.log[-1].data["run"]) == ("ended", "build-1.part.1.g1")
    assert [one.run_id for one in store.children("build-1")] == ["build-1.part.1", "build-1.part.1.g1"]
    assert store.entries("build-1.part.1")[-1].data["depth"] == 2


def test_a_child_that_failed_goes_on_with_the_last_of_its_chain(store: Store, run: Maker) -> None:
    run.plan(SUBFLOW)
    store.launch(request())
    hand_over(store, "build-1.part.1")
    end(store, "build-1.part.1.g1", "failed")
    run.plan(request(2).command, number=2)

    launched = store.launch(request(2, "build-1.part.1"))

    assert (launched.run_id, launched.root, launched.is_over) == ("build-1.part.1.g1", "build-1.part.1", False)
    assert (store.run("build-1.part.1.g1").status, store.run("build-1.part.1").status) == ("running", "continued")
    assert store.launch(request(2, "build-1.part.1")).run_id == "build-1.part.1.g1"
    end(store, "build-1.part.1.g1", "finished", number=2)
    assert (run.log[-1].key, run.log[-1].data["outcome"]) == ("ended:part:0:a2", "finished")


def test_a_last_one_that_finished_meanwhile_ends_the_attempt_at_once(store: Store, run: Maker) -> None:
    run.plan(SUBFLOW)
    store.launch(request())
    hand_over(store, "build-1.part.1")
    end(store, "build-1.part.1.g1", "failed")
    by_hand = Fact("resumed", "resumed:2", {}, EndedRun(("failed",)))
    assert store.append(Append("build-1.part.1.g1", (by_hand,))).outcomes == ("stored",)
    end(store, "build-1.part.1.g1", "finished", number=2)
    run.plan(request(2).command, number=2)

    assert store.launch(request(2, "build-1.part.1")).is_over
    assert (run.log[-1].key, run.log[-1].data["run"]) == ("ended:part:0:a2", "build-1.part.1.g1")


def test_a_chain_whose_last_run_was_deleted_is_begun_anew(store: Store, run: Maker) -> None:
    run.plan(SUBFLOW)
    store.launch(request())
    hand_over(store, "build-1.part.1")
    end(store, "build-1.part.1.g1", "failed")
    run.plan(request(2).command, number=2)
    store.delete_run("build-1.part.1.g1")

    assert store.launch(request(2, "build-1.part.1")).run_id == "build-1.part.2"
    assert store.run("build-1.part.2").status == "running"
