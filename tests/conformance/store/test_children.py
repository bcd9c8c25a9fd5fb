"""Child runs: made once for a command of their parent, and told to it in the transaction that ends them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from smithers.engine.command import Command
from smithers.engine.entry import EndedRun, Fact
from smithers.store.interface import Store
from smithers.store.records import Launch, Told
from tests.conformance.store.make import Maker, command, fact, new_run, settled

pytestmark = pytest.mark.decision("0011")

PLACE: dict[str, Any] = {"run": "build-1", "node": "part", "iteration": "0"}
SUBFLOW = command(1, "part", kind="subflow", payload={"x": "y" * 5000})


def request(child: str = "build-1.part.1", about: Command = SUBFLOW, goes_on: str = "") -> Launch:
    return Launch(new_run(child, parent={**PLACE, "depth": 1}), about, 1, goes_on, {"worker": "w"})


def ending(child: str, status: str = "finished") -> dict[str, Any]:
    data = {"outcome": status, "run": child, "output": {"text": "z" * 5000}}
    kind = "complete" if status == "finished" else "fail"
    closing = Command(1, kind, payload={"status": status, "told": data})
    return {"status": status, "told": Told("build-1", "part", "0", data), "commands": closing}


def end(store: Store, child: str, status: str = "finished", number: int = 1) -> None:
    about = ending(child, status)
    closing = about.pop("commands")
    Maker(store, child).plan(Command(number, closing.kind, payload=closing.payload), number=number, **about)


@pytest.mark.feature("subflow.lineage")
def test_launching_again_gives_the_same_child(store: Store, run: Maker) -> None:
    run.plan(SUBFLOW)
    first = store.launch(request())
    assert store.launch(request()) == first
    assert store.launch(request("another")) == first

    assert [child.run_id for child in store.children("build-1")] == ["build-1.part.1"]
    assert store.run("build-1.part.1").parent == {**PLACE, "depth": 1}
    assert [entry.kind for entry in store.entries("build-1")] == ["started", "frame", "launched"]
    assert store.children("build-1.part.1") == []


def test_many_at_once_launch_one_child(store: Store, run: Maker) -> None:
    run.plan(SUBFLOW)
    with ThreadPoolExecutor(8) as pool:
        launched = list(pool.map(lambda _: store.launch(request()).run_id, range(16)))

    assert set(launched) == {"build-1.part.1"}
    assert len(store.children("build-1")) == 1


def test_of_settling_and_launching_one_comes_first(store: Store, run: Maker) -> None:
    run.plan(SUBFLOW, command(2, "other", kind="subflow"))
    store.launch(request())
    assert run.append(settled(1, 0, "part")).outcomes == ("rejected",)

    assert run.append(settled(2, 0, "other")).outcomes == ("stored",)
    assert not store.launch(request("b", command(2, "other", kind="subflow"))).run_id


def test_the_end_of_a_child_is_stored_in_its_parent(store: Store, run: Maker) -> None:
    run.plan(SUBFLOW)
    store.launch(request())
    end(store, "build-1.part.1")

    told = store.entries("build-1")[-1]
    assert (told.kind, told.key) == ("ended", "ended:part:0:a1")
    assert told.data["output"] == {"text": "z" * 5000}
    assert told.data["n"] == 1
    assert not store.command("build-1", 1)[1]


def test_a_child_of_an_earlier_attempt_is_not_heard(store: Store, run: Maker) -> None:
    run.plan(SUBFLOW)
    store.launch(request())
    run.append(Fact("ended", "ended:part:0:a1", {"n": 1}, None), fact("x"))
    run.plan(command(2, "part", attempt=2, kind="subflow"), number=2, closed=(1,))
    head = run.row.head
    end(store, "build-1.part.1")

    assert run.row.head == head
    assert store.command("build-1", 2)[1]


@pytest.mark.feature("subflow.failed-child")
def test_a_failed_child_goes_on_for_another_attempt(store: Store, run: Maker) -> None:
    run.plan(SUBFLOW)
    store.launch(request())
    end(store, "build-1.part.1", "failed")
    again = command(2, "part", attempt=2, kind="subflow")
    run.plan(again, number=2)
    launched = store.launch(request("build-1.part.2", again, "build-1.part.1"))

    child = store.run("build-1.part.1")
    assert (launched.run_id, launched.is_over) == ("build-1.part.1", False)
    assert (child.status, child.epoch) == ("running", 2)
    assert len(store.children("build-1")) == 1
    end(store, "build-1.part.1", "finished", number=2)
    assert store.entries("build-1")[-1].key == "ended:part:0:a2"


def test_a_child_that_has_finished_meanwhile_ends_the_attempt_at_once(store: Store, run: Maker) -> None:
    run.plan(SUBFLOW)
    store.launch(request())
    end(store, "build-1.part.1", "failed")
    by_hand = Fact("resumed", "resumed:2", {}, EndedRun(("failed",)))
    assert Maker(store, "build-1.part.1").append(by_hand).outcomes == ("stored",)
    end(store, "build-1.part.1", "finished", number=2)
    again = command(2, "part", attempt=2, kind="subflow")
    run.plan(again, number=2)

    assert store.launch(request("build-1.part.2", again, "build-1.part.1")).is_over
    assert store.entries("build-1")[-1].key == "ended:part:0:a2"
    assert store.entries("build-1")[-1].data["output"] == {"text": "z" * 5000}
