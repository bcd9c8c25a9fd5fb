"""Runs bodies: in this process, or alone in one of their own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from smithers.engine.command import Command
from smithers.flow.body import TaskBody
from smithers.flow.task_context import LineSink, TaskContext
from smithers.temporal.running import Ended
from smithers.worker.code import LoadedCode
from smithers.worker.lines import LineBuffer, TaskSink
from smithers_activities import compute, isolate
from smithers_activities.capture import kept


@dataclass(frozen=True, slots=True, eq=False)
class LocalBodies:
    lines: LineBuffer
    codes: Mapping[str, LoadedCode]
    """By digest."""
    copies: Path
    """Where sources are written again that have changed since they were loaded."""
    store_url: str

    def run(self, body: TaskBody, context: TaskContext, command: Command, digest: str, *, alone: bool) -> Ended:
        if not alone:
            return compute.perform(body, context).wire()
        from smithers.worker.isolated import job_of

        job = job_of(body, context, command.n, self.codes[digest], self.copies, self.store_url)
        return isolate.run(job, body, context).wire()

    def sink(self, run_id: str, command: Command) -> LineSink:
        return kept(TaskSink(self.lines, run_id, command))
