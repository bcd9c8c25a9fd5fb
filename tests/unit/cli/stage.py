"""A folder with a store in it, runs driven by hand through the real planner, and the command line called in process."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from smithers.cli.main import main
from smithers.engine.command import Command
from smithers.engine.entry import Fact, OpenCommand, claim_key, ended_key
from smithers.engine.inputs import check_input
from smithers.engine.plan import Planner
from smithers.engine.state import CONTINUED
from smithers.flow.workflow import AnyWorkflow
from smithers.project import Project
from smithers.store import open_store
from smithers.store.interface import Store
from smithers.store.records import Append, NewRun, PlanWrite
from smithers.temporal.successors import successor


@dataclass
class Answer:
    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def records(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def error(self) -> dict[str, Any]:
        return self.json["error"]


@dataclass
class Stage:
    """One project."""

    root: Path
    capsys: pytest.CaptureFixture[str]
    workflows: dict[str, AnyWorkflow] = field(default_factory=dict[str, AnyWorkflow])
    opened: list[Store] = field(default_factory=list[Store])

    @property
    def store(self) -> Store:
        if not self.opened:
            self.opened.append(open_store(Project(self.root), create=True))
        return self.opened[0]

    def call(self, *words: str) -> Answer:
        self.capsys.readouterr()
        status = main(list(words))
        out, err = self.capsys.readouterr()
        return Answer(status, out, err)

    def start(self, workflow: AnyWorkflow, run_id: str, tags: dict[str, str] | None = None, **input: Any) -> None:
        """Makes a run and plans its first frame."""
        self.workflows[run_id] = workflow
        source = str(self.root / "flow.py")
        given = check_input(workflow, input)
        self.store.create_run(NewRun(run_id, workflow.name, given, "d" * 64, source, tags=tags or {}))
        self.plan(run_id)

    def plan(self, run_id: str) -> None:
        planner = Planner.build(self.workflows[run_id], run_id, self.store.entries(run_id))
        plan = planner.plan()
        if plan is not None:
            frame = Fact("frame", plan.key, plan.frame)
            write = PlanWrite(
                plan.base, plan.covers, 0, frame, plan.commands, plan.closed, plan.nodes, plan.status, plan.error
            )
            if plan.status == CONTINUED:
                write = replace(write, successor=successor(self.store.run(run_id), planner.state))
            assert self.store.append(Append(run_id, plan=write)).planned

    def command(self, run_id: str, node: str) -> Command:
        """The open command that works on a node."""
        rows = [row.command for row in self.store.open_commands(run_id) if row.command.node == node]
        assert rows, f"nothing is open for {node}"
        return rows[0]

    def claim(self, run_id: str, node: str) -> Command:
        c = self.command(run_id, node)
        data = {"n": c.n, "node": node, "iteration": c.iteration, "attempt": c.attempt, "nth": 1, "worker": "me@1"}
        key = claim_key(node, c.iteration, c.attempt, 1)
        self.store.append(Append(run_id, (Fact("claim", key, data, OpenCommand(c.n, closes=False)),)))
        return c

    def end(self, run_id: str, node: str, output: dict[str, Any] | None = None, error: str = "") -> None:
        """Runs a task: claims it, answers, plans. With `error` it fails for good."""
        self.claim(run_id, node)
        if error:
            self.answer(run_id, node, "failed", {"code": "TASK_FAILED", "message": error, "retryable": False})
        else:
            self.answer(run_id, node, "finished", output or {})

    def answer(self, run_id: str, node: str, outcome: str, value: dict[str, Any] | None = None) -> None:
        """A task's answer, and the plan that follows."""
        c = self.command(run_id, node)
        data: dict[str, Any] = {"n": c.n, "node": node, "iteration": c.iteration, "attempt": c.attempt, "ms": 1200.25}
        data |= {"outcome": outcome, "error" if outcome == "failed" else "output": value}
        fact = Fact("ended", ended_key(node, c.iteration, c.attempt), data, OpenCommand(c.n))
        assert self.store.append(Append(run_id, (fact,))).outcomes == ("stored",)
        self.plan(run_id)
