"""Hello world by the command line in a folder that has never been a project, until the prompt is back.

With everything that this takes: a local Temporal server is started, a worker, a store is made, a run carried out.
"""

from __future__ import annotations

import subprocess
import sys
import time

from scripts.benches.commands import ended, planted, up
from scripts.benches.measure import Outcome
from scripts.benches.place import Place
from scripts.benches.rounds import interleaved
from smithers.project import Project
from smithers.temporal import local


def run(place: Place) -> list[Outcome]:
    return [interleaved("hello", place.rounds, lambda: hello(place), importing, place.say)]


def hello(place: Place) -> float:
    folder = place.fresh()
    file = planted(folder, "hello")
    begun = time.perf_counter()
    ended(up(folder, file.name), folder)
    took = time.perf_counter() - begun
    local.stop(Project(folder))
    return took


def importing() -> float:
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import temporalio"], check=True)
    return time.perf_counter() - begun
