"""kill -9 at random moments, again and again, until a number of kills is reached and every run has finished.

A kill hits the worker process alone (its guard starts another), the guard alone (the worker then ends itself), or both
at the same time. The moment is any: while the new process is still starting, or some time after it has got on.

No task fails of it: from its first death on a body runs in a process of its own, and then the death of a worker is not
held against it.
"""

from __future__ import annotations

import random
import statistics
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from smithers.errors import SmithersError
from tests.chaos import processes
from tests.chaos.place import Place
from tests.chaos.processes import until
from tests.chaos.truth import extra
from tests.chaos.watching import PROGRESS, Watched, now_ms

How = Literal["worker", "guard", "both"]
SLOW_MS = 3500
LATE_S = 0.8
EARLY_S = 1.5
EARLY_SHARE = 0.2


@dataclass
class Kill:
    how: How
    status: str
    """Of the run at that moment."""
    in_flight: int
    """Bodies that were cut off."""
    tail: str = ""
    """The last entries."""
    born_ms: float = 0.0
    """When the process that takes over began."""
    progress_ms: float = 0.0
    """From there to the next thing that was done; 0 if another kill came first."""

    @property
    def waited(self) -> bool:
        """There was nothing to do but to wait for a person or a time."""
        return self.status.startswith("waiting")


@dataclass
class Report:
    kills: list[Kill] = field(default_factory=list[Kill])
    runs: int = 0
    lines: int = 0
    extra: int = 0
    entries: int = 0
    drivers: int = 0
    """Temporal's runs: one more for each continue-as-new."""
    problems: list[str] = field(default_factory=list[str])

    @property
    def taken_s(self) -> list[float]:
        return sorted(kill.progress_ms / 1000 for kill in self.kills if kill.progress_ms and not kill.waited)

    def share(self, percent: int) -> float:
        """A percentile of the time to progress, in seconds."""
        taken = self.taken_s
        return statistics.quantiles(taken, n=100, method="inclusive")[percent - 1] if len(taken) > 1 else sum(taken)

    def summary(self) -> str:
        hows = ", ".join(f"{sum(kill.how == how for kill in self.kills)} {how}" for how in ("worker", "guard", "both"))
        cut_off = sum(kill.in_flight for kill in self.kills)
        taken = f"p50 {self.share(50):.2f} s, p95 {self.share(95):.2f} s, longest {max(self.taken_s, default=0):.2f} s"
        return (
            f"{len(self.kills)} kills ({hows}), {self.runs} runs finished by {self.drivers} drivers, {self.entries} "
            f"entries, {self.lines} bodies, {self.extra} of them again (cut off: {cut_off}); from a new process's "
            f"start to progress: {taken}, of {len(self.taken_s)}; {len(self.problems)} problems"
        )


@dataclass(eq=False)
class Killer:
    place: Place
    dice: random.Random
    given: dict[str, Any]
    say: Callable[[str], None] = lambda _: None
    report: Report = field(default_factory=Report)

    def until(self, kills: int) -> Report:
        while len(self.report.kills) < kills:
            self.one_run(f"storm{self.report.runs}", kills)
        return self.report

    def one_run(self, run: str, kills: int) -> None:
        place, first = self.place, len(self.report.kills)
        place.shown.unlink(missing_ok=True)
        command = place.up("storm", run, **self.given)
        with Watched(place, run) as watched:
            until(lambda: watched.status, f"{run} is stored")
            while not watched.is_over:
                if self.may_go_on(watched, command, kills):
                    command = self.strike(watched, command)
                command = self.keep(watched, command)
            self.close(watched, command, first)

    def keep(self, watched: Watched, command: subprocess.Popen[bytes]) -> subprocess.Popen[bytes]:
        """A command that has given up is begun again, as a person would."""
        if command.poll() is None or watched.is_over:
            return command
        return self.place.resume(watched.run)

    # One kill

    def may_go_on(self, watched: Watched, command: subprocess.Popen[bytes], kills: int) -> bool:
        """Waits for the moment. False if there is nothing to kill any more, or not now."""
        if len(self.report.kills) >= kills:
            until(lambda: watched.is_over or command.poll() is not None, f"{watched.run} ends: {watched.tail()}", 120)
            return False
        if self.dice.random() < EARLY_SHARE:
            wait_s = self.dice.uniform(0, EARLY_S)
        else:
            watched.wait_for_progress(within_s=90)
            wait_s = self.dice.uniform(0, LATE_S)
        until_then = time.monotonic() + wait_s
        until(lambda: watched.is_over or time.monotonic() > until_then, "the moment has come")
        return not watched.is_over and command.poll() is None

    def strike(self, watched: Watched, command: subprocess.Popen[bytes]) -> subprocess.Popen[bytes]:
        how: How = self.dice.choices(("worker", "guard", "both"), (4, 1, 2))[0]
        status = watched.status
        worker = self.place.worker_of(command)
        processes.kill(*{"worker": [worker.pid], "guard": [command.pid], "both": [command.pid, worker.pid]}[how])
        until(lambda: processes.is_gone(worker.pid), "the worker is gone", 10)
        kill = Kill(how, status, watched.in_flight(), watched.tail())
        self.report.kills.append(kill)
        if how != "worker":
            command.wait()
            command = self.place.resume(watched.run)
            kill.born_ms = now_ms()
        else:
            kill.born_ms = self.next_worker(watched, command)
        self.say(f"{len(self.report.kills)}: {how}, {status}, {watched.tail()}")
        return command

    def next_worker(self, watched: Watched, command: subprocess.Popen[bytes]) -> float:
        """When the guard has started another one; 0 if it does not."""
        found = until(
            lambda: self.place.workers_of(command) or command.poll() is not None or watched.is_over,
            "the guard starts another worker",
        )
        return found[0].born * 1000 if isinstance(found, list) else 0.0

    # The end of a run

    def close(self, watched: Watched, command: subprocess.Popen[bytes], first: int) -> None:
        report, run = self.report, watched.run
        status = watched.wait_for_end()
        left = command.wait(60)
        kills = report.kills[first:]
        self.measure(watched, kills)
        report.runs += 1
        report.drivers += self.place.drivers(run)
        report.lines += len(watched.lines)
        report.entries += len(watched.log)
        report.extra += extra(watched.lines)
        found = watched.problems(most_extra=sum(kill.in_flight for kill in kills))
        if status != "finished" or left != 0:
            found.append(f"the run is {status}, and `up` ended with {left}: {self.why(run)}")
        report.problems += [f"{run}: {problem}" for problem in found]
        self.say(f"{run}: {status}, {len(kills)} kills, {len(watched.log)} entries, {found}")

    def why(self, run: str) -> str:
        try:
            return f"{self.place.open().run(run).error}; {self.place.said(run)[-1000:]}"
        except SmithersError as error:
            return str(error)

    def measure(self, watched: Watched, kills: list[Kill]) -> None:
        times = sorted(
            [line.at_ms for line in watched.lines] + [entry.at_ms for entry in watched.log if entry.kind in PROGRESS]
        )
        for kill, after in zip(kills, [*(kill.born_ms for kill in kills[1:]), float("inf")], strict=True):
            found = next((at for at in times if at > kill.born_ms > 0), 0.0)
            kill.progress_ms = found - kill.born_ms if found and found < after else 0.0
            if kill.progress_ms > SLOW_MS:
                first = next((entry.key for entry in watched.log if entry.at_ms >= found), "")
                self.say(f"slow: {kill.progress_ms:.0f} ms after {kill.how} in {kill.tail}, then {first}")
