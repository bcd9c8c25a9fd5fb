"""`scripts/simulate`: many seeds of the simulation, on all processors, with progress."""

from __future__ import annotations

import argparse
import faulthandler
import gc
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkProcess
from typing import Final

from tests.simulation.shrinking import Failure, failure, shrunk
from tests.simulation.world import Faults

BATCH: Final = 50
SEED_S: Final = 60.0
"""Processor time after which a seed counts as hanging: a thousand times what one takes."""
IDLE: Final = 20
"""How much longer than its processor time a seed may take by the clock."""
FORK: Final = get_context("fork")
SAY_EVERY_S: Final = 30.0


def looked_at(seed: int) -> Failure | None:
    """What is wrong with a seed, made small."""
    found = failure(seed)
    return None if found is None else shrunk(found)


def worker(first: int, last: int, seed_s: float, say: Connection) -> None:
    """A process for some seeds. It says of each, in order, what is wrong with it; at one that hangs it ends.

    Processor time counts, of all threads: the machine may be busy with other things. Who waits for ever uses none, so
    there is a limit by the clock, too. A thread that hangs cannot be ended, so the process is.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)  # stories leave little behind
    seed = first

    def hangs(*_: object) -> None:
        faulthandler.dump_traceback(sys.stderr)
        say.send(Failure(seed, Faults(), 3, f"seed {seed} hangs: not over after {seed_s:g} s of processor time"))
        os._exit(1)

    signal.signal(signal.SIGPROF, hangs)
    signal.signal(signal.SIGALRM, hangs)
    for seed in range(first, last):
        signal.setitimer(signal.ITIMER_PROF, seed_s)
        signal.setitimer(signal.ITIMER_REAL, seed_s * IDLE)
        say.send(looked_at(seed))
    signal.setitimer(signal.ITIMER_PROF, 0)
    signal.setitimer(signal.ITIMER_REAL, 0)


@dataclass(slots=True)
class Job:
    """The seeds that one process tells."""

    next: int
    last: int
    process: ForkProcess
    heard: Connection

    @staticmethod
    def begin(first: int, last: int, seed_s: float) -> Job:
        heard, say = FORK.Pipe(duplex=False)
        process = FORK.Process(target=worker, args=(first, last, seed_s, say), daemon=True)
        process.start()
        say.close()
        return Job(first, last, process, heard)

    def hear(self, progress: Progress) -> bool:
        """Notes the next seed. False where the process has ended, whether all its seeds are told or not."""
        try:
            found: Failure | None = self.heard.recv()
        except EOFError:
            self.process.join()
            if self.next < self.last and self.process.exitcode != 1:
                why = f"seed {self.next} took its process with it: exit code {self.process.exitcode}"
                progress.note(self.next, Failure(self.next, Faults(), 3, why))
                self.next += 1
            return False
        progress.note(self.next, found)
        self.next += 1
        return True


@dataclass(slots=True)
class Progress:
    """What has been done of a range of seeds."""

    first: int
    seeds: int
    begun: float = field(default_factory=time.monotonic)
    done: set[int] = field(default_factory=set[int])
    failed: list[int] = field(default_factory=list[int])
    said: float = field(default_factory=time.monotonic)

    def note(self, seed: int, found: Failure | None) -> None:
        self.done.add(seed)
        if found is not None:
            self.failed.append(seed)
            print(found, flush=True)
        if time.monotonic() - self.said > SAY_EVERY_S:
            self.said = time.monotonic()
            print(f"{self}; done: {self.ranges()}", file=sys.stderr, flush=True)

    def ranges(self) -> str:
        """The seeds that were told, as `0..1999, 2050..2099`."""
        found: list[list[int]] = []
        for seed in sorted(self.done):
            if found and found[-1][1] + 1 == seed:
                found[-1][1] = seed
            else:
                found.append([seed, seed])
        return ", ".join(f"{first}..{last}" for first, last in found) or "none"

    def __str__(self) -> str:
        took = max(time.monotonic() - self.begun, 0.001)
        done = len(self.done)
        pace = done / took
        left = f", {(self.seeds - done) / pace / 60:.0f} min left" if pace and done < self.seeds else ""
        failures = f"{len(self.failed)} failures {self.failed}" if self.failed else "0 failures"
        return f"{done} of {self.seeds} seeds, {pace:.1f} per second{left}, {failures}"


def tell_all(progress: Progress, jobs: int, seed_s: float) -> None:
    last = progress.first + progress.seeds
    due = deque((at, min(at + BATCH, last)) for at in range(progress.first, last, BATCH))
    under_way: list[Job] = []
    try:
        while due or under_way:
            while due and len(under_way) < jobs:
                under_way.append(Job.begin(*due.popleft(), seed_s))
            ready = wait([job.heard for job in under_way])
            for job in [job for job in under_way if job.heard in ready]:
                if job.hear(progress):
                    continue
                under_way.remove(job)
                job.heard.close()
                if job.next < job.last:  # one of its seeds has ended it
                    due.appendleft((job.next, job.last))
    finally:
        for job in under_way:
            job.process.terminate()


def main(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="scripts/simulate", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000, help="how many")
    parser.add_argument("--first", type=int, default=0, help="the first one")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--seed-s", type=float, default=SEED_S, help="processor time after which a seed hangs")
    given = parser.parse_args(words)
    progress = Progress(given.first, given.seeds)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        tell_all(progress, given.jobs, given.seed_s)
    except KeyboardInterrupt:
        print(f"interrupted: {progress}; done: {progress.ranges()}", flush=True)
        return 2
    print(f"{progress}; done: {progress.ranges()}")
    return 1 if progress.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
