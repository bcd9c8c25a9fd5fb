"""One run in memory: a list as the log, the real planner, and every event by hand.

It is the twin of the store, the step and the driver together. What it checks before it appends (is the command open,
does the node wait) is what the store checks in its transaction, so that a test cannot do what a run could not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from pydantic import BaseModel

from smithers.engine import habit
from smithers.engine.answer import NOTHING, Answer
from smithers.engine.command import Command, is_nudge
from smithers.engine.entry import (
    Entry,
    Fact,
    Json,
    Kind,
    decided_key,
    ended_key,
    escalated_key,
    node_key,
    split_node_key,
)
from smithers.engine.frame import NodeRow, Plan
from smithers.engine.handover import id_after, kept, link
from smithers.engine.inbox import Sent, refusal
from smithers.engine.inputs import check_input
from smithers.engine.nudges import nudge
from smithers.engine.plan import Planner
from smithers.engine.rerun import Reset, reset_of
from smithers.engine.ruling import WAITING, Ruling, delegate, rule, withdraw
from smithers.engine.said import Said, collected
from smithers.engine.state import CONTINUED, FINAL
from smithers.engine.subflows import child_id
from smithers.errors import WrongState
from smithers.flow.stored import read_back
from smithers.flow.workflow import AnyWorkflow

M = TypeVar("M", bound=BaseModel)
WORK = ("run", "child", "subflow", "timer")


@dataclass(slots=True)
class InMemoryRun:
    """A run of `workflow`. With `rebuild`, the planner is thrown away and built from the log after every entry."""

    workflow: AnyWorkflow
    input: Json = field(default_factory=dict[str, Any])
    options: Json = field(default_factory=dict[str, Any])
    rebuild: bool = False
    run_id: str = "test"
    approved_before: Mapping[str, int] = field(default_factory=dict[str, int])
    """How often people have approved an approval in a row, in earlier runs, by node id."""
    parent: Json | None = None
    """For the run of a subflow: `run`, `node`, `iteration` and `depth`."""
    paused: bool = False
    """Facts are appended, but nobody plans: as when no worker lives."""
    continues: Json | None = None
    """For a run that goes on for another one; see `following`."""
    kept: Sequence[Fact] = ()
    """What its log begins with, then."""
    taken: dict[str, int] = field(default_factory=dict[str, int])
    """How many slots of queues other runs hold, by the queue's name."""
    began_ms: int = 0
    now_ms: int = 0
    log: list[Entry] = field(default_factory=list[Entry])
    plans: list[Plan] = field(default_factory=list[Plan])
    nodes: dict[str, NodeRow] = field(default_factory=dict[str, NodeRow])
    open: dict[int, Command] = field(default_factory=dict[int, Command])
    due_ms: dict[int, int] = field(default_factory=dict[int, int])
    keys: set[str] = field(default_factory=set[str])
    planner: Planner = field(init=False)

    def __post_init__(self) -> None:
        checked = check_input(self.workflow, self.input)
        about = {"input": checked, "digest": "", "options": self.options, "parent": self.parent}
        self.append("started", "started", {**about, "continues": self.continues})
        for fact in self.kept:
            self.append(fact.kind, fact.key, fact.data)
        self.planner = Planner.build(self.workflow, self.run_id, self.log)
        self.plan()

    @property
    def status(self) -> str:
        return self.planner.status

    @property
    def error(self) -> Json | None:
        return self.plans[-1].error

    @property
    def is_over(self) -> bool:
        return self.status in FINAL

    @property
    def work(self) -> list[Command]:
        """What is in flight: tasks, child runs and timers, by number."""
        return [command for command in self.open.values() if command.kind in WORK]

    @property
    def waiting(self) -> list[NodeRow]:
        """Approvals and human tasks that ask."""
        return [row for row in self.nodes.values() if row.state == WAITING]

    @property
    def waiting_events(self) -> list[NodeRow]:
        """Waits for events that are open."""
        return [row for row in self.nodes.values() if row.state == "waiting-event"]

    def following(self) -> InMemoryRun:
        """The run that goes on for this one, which has continued as new. Raises `WrongState` where it has not."""
        if self.status != CONTINUED:
            raise WrongState(f"the run is {self.status}")
        state = self.planner.state
        about = link(state)
        options = {**self.options, "timeout_ms": self.time_left_ms} if self.time_left_ms else self.options
        return InMemoryRun(
            self.workflow,
            state.input,
            options,
            self.rebuild,
            id_after(about),
            parent=self.parent,
            began_ms=self.now_ms,
            now_ms=self.now_ms,
            continues=about,
            kept=kept(state),
        )

    @property
    def time_left_ms(self) -> int:
        """Of a child run's time limit; 0 where it has none."""
        limit_ms = self.options.get("timeout_ms") or 0
        return limit_ms and max(1, limit_ms - (self.now_ms - self.began_ms))

    def append(self, kind: Kind, key: str, data: Json) -> Entry:
        if key in self.keys:
            raise WrongState(f"the log has {key!r} already")
        self.keys.add(key)
        self.now_ms += 1
        entry = Entry(len(self.log) + 1, kind, key, data, self.now_ms)
        self.log.append(entry)
        return entry

    def tell(self, kind: Kind, key: str, data: Json) -> None:
        """Appends a fact and plans."""
        if self.is_over and kind != "resumed":
            raise WrongState(f"the run is {self.status}")
        entry = self.append(kind, key, data)
        if self.rebuild or kind in ("resumed", "retried", "amended"):
            self.planner = Planner.build(self.workflow, self.run_id, self.log)
        else:
            self.planner.apply([entry])
        self.plan()

    def plan(self) -> None:
        """Plans for all facts so far, unless paused. Does nothing where none is new."""
        plan = None if self.paused else self.planner.plan()
        if plan is not None:
            self.store(plan)

    def store(self, plan: Plan) -> None:
        """Appends a plan's frame, and does what follows from it."""
        self.plans.append(plan)
        entry = self.append("frame", plan.key, plan.frame)
        for command in plan.commands:
            self.open[command.n] = command
            self.due_ms[command.n] = command.due_ms or (self.now_ms + command.delay_ms if command.delay_ms else 0)
        for n in plan.closed:
            self.open.pop(n, None)
        self.nodes.update((node_key(row.node, row.iteration), row) for row in plan.nodes)
        if self.rebuild:
            self.planner = Planner.build(self.workflow, self.run_id, self.log)
        else:
            self.planner.stored([entry])
        for row in plan.nodes:
            if habit.wanted(row) and self.streak(row.node) >= habit.wanted(row):
                fact = habit.approval(row)
                self.tell(fact.kind, fact.key, fact.data)
        self.admit()

    def admit(self) -> None:
        """Gives free slots of queues to those who wait, as the store would."""
        for turn in [command for command in self.open.values() if command.kind == "turn"]:
            if turn.n in self.open and self.may_admit(turn.payload or {}):
                del self.open[turn.n]
                place = {"n": turn.n, "node": turn.node, "iteration": turn.iteration, "attempt": turn.attempt}
                self.tell("admitted", f"admitted:{turn.n}", {**place, "queue": (turn.payload or {})["queue"]})

    def may_admit(self, ticket: Json) -> bool:
        """Whether the queue has a free slot, and the run takes one: it has planned all facts, and is not paused."""
        name = ticket["queue"]
        held = [one for one in self.open.values() if one.kind in ("run", "child") and name == self.queue_of(one)]
        return self.takes_turns() and len(held) + self.taken.get(name, 0) < ticket["limit"]

    def takes_turns(self) -> bool:
        return not self.planner.due and self.planner.state.paused is None

    @staticmethod
    def queue_of(command: Command) -> str:
        return (command.payload or {}).get("queue", "")

    def free(self, queue: str, slots: int = 1) -> None:
        """Other runs give slots of a queue back."""
        self.taken[queue] = self.taken.get(queue, 0) - slots
        self.admit()

    def streak(self, node: str) -> int:
        """How often people have approved a node in a row."""
        mine = [entry.data for entry in reversed(self.log) if entry.kind == "decided" and entry.data["node"] == node]
        count = habit.in_a_row(mine)
        unbroken = all(data["approved"] for data in mine)
        return count + (self.approved_before.get(node, 0) if unbroken else 0)

    def close(self, n: int) -> Command:
        command = self.open.pop(n, None)
        if command is None or command.kind not in WORK:
            raise WrongState(f"command {n} is not open")
        return command

    def end(self, n: int, outcome: str, **more: Any) -> None:
        command = self.close(n)
        data = {"n": n, "node": command.node, "iteration": command.iteration, "attempt": command.attempt}
        if command.kind == "subflow":
            data["run"] = child_id(self.run_id, command.node, command.iteration, command.attempt)
        key = ended_key(command.node, command.iteration, command.attempt)
        self.tell("ended", key, {**data, "outcome": outcome, **more})

    def finish(self, n: int, output: BaseModel | Json, usage: Json | None = None) -> None:
        """`usage` is what the body has reported: `input_tokens`, `output_tokens`, `cost_usd`."""
        value = output.model_dump(mode="json") if isinstance(output, BaseModel) else output
        self.end(n, "finished", output=value, **({"usage": usage} if usage else {}))

    def fail(self, n: int, message: str = "scripted failure", *, retryable: bool = True) -> None:
        self.end(n, "failed", error={"code": "TASK_FAILED", "message": message, "retryable": retryable})

    def cancelled(self, n: int) -> None:
        """The body stopped because it was asked to."""
        self.end(n, "cancelled")

    def lose(self, n: int) -> None:
        """The command's activity ended without an answer, and is settled."""
        command = self.close(n)
        place = {"n": n, "node": command.node, "iteration": command.iteration, "attempt": command.attempt}
        self.tell("settled", f"settled:{n}", {**place, "why": "lost"})

    def fire(self, n: int) -> None:
        command = self.close(n)
        self.now_ms = max(self.now_ms, self.due_ms[n])
        key = decided_key(command.node, command.iteration, command.attempt) if command.attempt else f"fired:{n}"
        if key in self.keys:  # somebody has answered in time, which nobody has planned for yet
            self.open[n] = command
            raise WrongState(f"{key} is decided")
        if is_nudge(command):
            fact = nudge(command)
            self.tell(fact.kind, fact.key, fact.data)
            return
        self.tell("fired", key, {"n": n, "node": command.node, "iteration": command.iteration})

    def decide(  # shape: parameters: what a person may say
        self,
        node: str,
        *,
        approved: bool = True,
        iteration: str = "",
        note: str | None = None,
        choice: str | None = None,
        ranking: Sequence[str] | None = None,
        by: str = "tester",
        scopes: Sequence[str] = (),
    ) -> Ruling:
        """A person approves or denies, chooses or ranks. Raises `AnswerRefused` as the command would."""
        order = None if ranking is None else tuple(ranking)
        return self.say(node, iteration, Answer(approved, by, note, choice, order, NOTHING, frozenset(scopes)))

    def answer(self, node: str, value: BaseModel | Json, *, iteration: str = "", by: str = "tester") -> Ruling:
        """A person does a human task. Raises `AnswerRefused` for what does not fit, which counts."""
        given = value.model_dump(mode="json", by_alias=True) if isinstance(value, BaseModel) else value
        return self.say(node, iteration, Answer(True, by, value=given))

    def say(self, node: str, iteration: str, answer: Answer) -> Ruling:
        """Any answer. Raises `WrongState` where nobody asks."""
        row = self.asking(node, iteration)
        ruling = rule(row, answer, self.said(row))
        for fact in ruling.facts:
            self.tell(fact.kind, fact.key, fact.data)
        if ruling.refused is not None:
            raise ruling.refused
        return ruling

    def delegate(
        self,
        node: str,
        to: str,
        *,
        iteration: str = "",
        by: str = "tester",
        note: str | None = None,
        scopes: Sequence[str] = (),
    ) -> None:
        """A person hands a question to another. Raises `AnswerRefused` and `WrongState` as the command would."""
        row = self.asking(node, iteration)
        fact = delegate(row, Answer(True, by, note, scopes=frozenset(scopes)), to, self.said(row))
        self.tell(fact.kind, fact.key, fact.data)

    def withdraw(self, node: str, *, iteration: str = "", by: str = "tester") -> None:
        """A person takes one of several approvals back. Raises as `delegate` does."""
        row = self.asking(node, iteration)
        fact = withdraw(row, Answer(True, by), self.said(row))
        self.tell(fact.kind, fact.key, fact.data)

    def asking(self, node: str, iteration: str) -> NodeRow:
        row = self.nodes.get(node_key(node, iteration))
        if row is None or row.state != WAITING or row.decision_key in self.keys:
            raise WrongState(f"{node_key(node, iteration)} does not wait for a decision")
        return row

    def said(self, row: NodeRow) -> Said:
        """What was said to the question that a row asks."""
        key = row.decision_key
        beginnings = f"{key}~", f"rejected:{key}~", f"reminded:{key}~", escalated_key(key)
        return collected(row, *([one for one in self.log if one.key.startswith(begin)] for begin in beginnings))

    def signal(
        self, name: str, payload: BaseModel | Json | None = None, *, correlation: str | None = None, by: str = "tester"
    ) -> int:
        """Sends an event, and returns its position in the log.

        Raises `InvalidInput` where somebody waits for it and the payload fits nobody who does.
        """
        value = payload.model_dump(mode="json", by_alias=True) if isinstance(payload, BaseModel) else payload
        sent = Sent(name, value, correlation, by, self.now_ms * 1_000_000)
        refused = refusal(sent, self.nodes.values())
        if refused is not None:
            raise refused
        position = len(self.log) + 1
        self.tell("signal", sent.key, sent.data)
        return position

    def cancel(self, reason: str = "") -> None:
        self.tell("cancel", "cancel", {"by": "tester", "reason": reason})

    def pause(self, note: str = "") -> None:
        """Nothing begins until `unpause`; facts are kept."""
        if self.planner.state.paused is not None:
            raise WrongState("the run is paused already")
        self.tell("paused", f"paused:{len(self.log)}", {"by": "tester", "note": note})

    def unpause(self) -> None:
        if self.planner.state.paused is None:
            raise WrongState("the run is not paused")
        self.tell("unpaused", f"unpaused:{len(self.log)}", {"by": "tester", "note": ""})

    def resume(self) -> None:
        """Opens a failed run again, from what failed: outputs are kept, and denied approvals ask again."""
        self.tell("resumed", f"resumed:{len(self.log)}", {"by": "tester"})

    def amend(self, input: Json) -> None:
        """Gives the run another input. Raises `InvalidInput` as the command would."""
        checked = check_input(self.workflow, input)
        self.tell("amended", f"amended:{len(self.log)}", {"input": checked, "by": "tester"})

    def retry(self, node: str, *, iteration: str = "", dependents: bool = True) -> Reset:
        """Runs a node that is over again, and what began after it was. Raises `WrongState` as the command would."""
        key, log = node_key(node, iteration), list(self.log)
        if self.status == "failed":
            log.append(Entry(len(log) + 1, "resumed", f"resumed:{len(log)}", {"by": "tester"}, self.now_ms))
        reset = reset_of(self.run_id, log, key, dependents=dependents)
        if self.status == "failed":
            self.append("resumed", log[-1].key, log[-1].data)
            self.planner = Planner.build(self.workflow, self.run_id, self.log)
        for n in reset.data.get("closed", ()):
            self.open.pop(n, None)
        for one in reset.data.get("reset", ()):
            self.nodes[one] = replace(self.nodes[one], state="pending")
        self.tell("retried", f"retried:{key}:{len(self.log)}", {**reset.data, "by": "tester"})
        return reset

    def output(self, model: type[M], node: str, iteration: str = "") -> M:
        """Raises `KeyError` where there is none."""
        nodes = self.planner.state.nodes
        memory = nodes.get(node_key(node, iteration))
        if memory is None or not memory.has_output:
            there = [key for key, one in nodes.items() if one.has_output]
            raise KeyError(unknown("output of ", node, iteration, there))
        return read_back(model, memory.output)

    def row(self, node: str, iteration: str = "") -> NodeRow:
        """A node as people see it. Raises `KeyError` where it was never in the tree."""
        found = self.nodes.get(node_key(node, iteration))
        if found is None:
            raise KeyError(unknown("", node, iteration, self.nodes))
        return found


def unknown(what: str, node: str, iteration: str, keys: Iterable[str]) -> str:
    """The message for a node, or its output, that a test asks for and that is not there."""
    named = [f"{id}, iteration {pass_}" if pass_ else id for id, pass_ in map(split_node_key, keys)]
    place = f" in iteration {iteration!r}" if iteration else ""
    return f"There is no {what}{node!r}{place}. There are: {'; '.join(named) or 'none'}."
