"""Runs bodies: in this process, or alone in one of their own."""

from __future__ import annotations

from dataclasses import dataclass

from smithers.engine.command import Command
from smithers.flow.body import TaskBody
from smithers.flow.task_context import LineSink, TaskContext
from smithers.temporal.running import Ended
from smithers.worker.lines import LineBuffer, TaskSink
from smithers_activities import compute


@dataclass(frozen=True, slots=True, eq=False)
class LocalBodies:
    lines: LineBuffer

    def run(self, body: TaskBody, context: TaskContext, command: Command, *, alone: bool) -> Ended:
        outcome = compute.perform(body, context)
        ended: Ended = {"outcome": outcome.outcome, "ms": outcome.ms}
        if outcome.outcome == "finished":
            ended["output"] = outcome.output
        elif outcome.error is not None:
            ended["error"] = outcome.error
        return ended

    def sink(self, run_id: str, command: Command) -> LineSink:
        return TaskSink(self.lines, run_id, command)
