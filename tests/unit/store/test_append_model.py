"""Random appends against a model of them in plain Python: the same outcomes, and the same log, run and commands."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smithers.engine.command import Command
from smithers.engine.entry import EndedRun, Fact, Need, NewestClaim, OpenCommand, OpenRun
from smithers.errors import StaleEpoch
from smithers.store.memory import MemoryStore
from smithers.store.records import Append, NewRun, PlanWrite

pytestmark = pytest.mark.decision("0002")

FINAL = ("finished", "failed", "cancelled")


@dataclass
class Model:
    """What the contract says, without a database."""

    keys: list[str] = field(default_factory=lambda: ["started"])
    planned: int = 0
    frames: int = 0
    status: str = "running"
    epoch: int = 1
    commands: dict[int, bool] = field(default_factory=dict[int, bool])

    def meets(self, need: Need | None) -> bool:
        match need:
            case OpenCommand(n):
                return self.commands.get(n, False)
            case NewestClaim(n):
                return self.commands.get(n, False) and need.next_key not in self.keys
            case OpenRun():
                return self.status not in FINAL
            case EndedRun(statuses):
                return self.status in statuses
            case _:
                return True

    def put(self, fact: Fact) -> str:
        if fact.key in self.keys:
            return "duplicate"
        if not self.meets(fact.needs):
            return "rejected"
        self.keys.append(fact.key)
        if isinstance(fact.needs, OpenCommand | NewestClaim) and fact.needs.closes:
            self.commands[fact.needs.n] = False
        if isinstance(fact.needs, EndedRun):
            self.status, self.epoch = "running", self.epoch + 1
        return "stored"

    def append(self, request: Append) -> tuple[tuple[str, ...], bool] | None:
        """None if the epoch is stale."""
        if request.epoch not in (None, self.epoch):
            return None
        head = len(self.keys)
        outcomes = [self.put(fact) for fact in request.facts]
        plan = request.plan
        planned = plan is not None and plan.base == self.planned
        if plan is not None and planned and plan.covers >= 0:
            planned = plan.covers <= len(self.keys)
        elif planned:
            planned = head == request.head_seen and set(outcomes) <= {"stored"}
        if plan is not None and planned:
            self.planned = plan.covers if plan.covers >= 0 else len(self.keys)
            self.keys.append(plan.frame.key)
            self.frames += 1
            self.commands |= {command.n: True for command in plan.commands}
            self.commands |= dict.fromkeys(plan.closed, False)
            self.status = plan.status
        outcomes += [self.put(fact) if planned else "skipped" for fact in request.after]
        return tuple(outcomes), planned


needs = st.one_of(
    st.none(),
    st.builds(OpenCommand, st.integers(1, 6), st.booleans()),
    st.builds(
        lambda n, nth, closes: NewestClaim(n, "k", "", 1, nth, closes),
        st.integers(1, 6),
        st.integers(0, 2),
        st.booleans(),
    ),
    st.just(OpenRun()),
    st.just(EndedRun(("failed",))),
)
keys = st.one_of(st.integers(0, 12).map(str), st.integers(1, 3).map(lambda nth: f"claim:k::a1:{nth}"))
facts = st.builds(lambda key, need: Fact("signal", key, {}, need), keys, needs)


@st.composite
def steps(draw: st.DrawFn) -> list[tuple[list[Fact], list[Fact], int, int, int, str, list[int]]]:
    """Facts, facts after, how far base and head are off, how many commands, the status, what is closed."""
    off = st.sampled_from([0, 0, 0, 1])
    step = st.tuples(
        st.lists(facts, max_size=3),
        st.lists(facts, max_size=2),
        off,
        off,
        st.integers(-1, 2),
        st.sampled_from(["running", "running", "waiting-timer", "failed"]),
        st.lists(st.integers(1, 3), max_size=1),
    )
    return draw(st.lists(step, max_size=12))


@settings(max_examples=150, deadline=None)
@given(steps(), st.booleans())
def test_appends_do_what_the_model_says(
    script: list[tuple[list[Fact], list[Fact], int, int, int, str, list[int]]], ahead: bool
) -> None:
    store, model = MemoryStore(), Model()
    store.create_run(NewRun("r", "ship", {}, "d1", "/flow.py"))
    for before, after, base_off, head_off, count, status, closed in script:
        plan = None
        if count >= 0:
            first = len(model.commands) + 1
            commands = tuple(Command(n, "run") for n in range(first, first + count))
            covers = -1 if ahead else max(len(model.keys) - head_off, 0)
            known = tuple(n for n in closed if n in model.commands)
            frame = Fact("frame", f"frame:{model.frames + 1}")
            plan = PlanWrite(model.planned + base_off, covers, 0, frame, commands, known, status=status)
        epoch = model.epoch - head_off if base_off else None
        request = Append("r", tuple(before), plan, epoch, len(model.keys) - head_off, after=tuple(after))
        expected = model.append(request)
        try:
            done = store.append(request)
        except StaleEpoch:
            assert expected is None
            continue
        assert (done.outcomes, done.planned) == expected
        assert done.head == len(model.keys)
    assert_same(store, model)


def assert_same(store: MemoryStore, model: Model) -> None:
    run, log = store.run("r"), store.entries("r")
    assert [entry.key for entry in log] == model.keys
    assert [entry.seq for entry in log] == list(range(1, len(model.keys) + 1))
    assert (run.head, run.planned, run.status, run.epoch) == (
        len(model.keys),
        model.planned,
        model.status,
        model.epoch,
    )
    assert [row.command.n for row in store.open_commands("r")] == [
        n for n, is_open in model.commands.items() if is_open
    ]
    store.close()
