"""A run of 20,000 tasks into which 500 events and 100 decisions are sent, across its continue-as-news.

Nothing may be lost or doubled, and the run may never stand still for long: what is measured are the longest pauses
between two facts that its tasks have stored.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import threading
import time
from collections import Counter
from itertools import pairwise

from scripts.benches.goals import GOALS
from scripts.benches.measure import Outcome
from scripts.benches.ours import Ours, ours
from scripts.benches.place import Place
from smithers.temporal.client import connect

TASKS, EVENTS, QUESTIONS = 20_000, 500, 100


def run(place: Place) -> list[Outcome]:
    size = {"tasks": place.sized(TASKS), "events": place.sized(EVENTS), "questions": place.sized(QUESTIONS)}
    with ours(place, "fair", bursts=False) as our:
        begun = time.monotonic()
        run_id = our.start(size)
        sender = threading.Thread(target=send_all, args=(our, run_id, size))
        sender.start()
        our.wait(run_id, "finished")
        sender.join()
        took = time.monotonic() - begun
        place.say(f"long: {size['tasks']} tasks in {took:.0f} s, continued as new {histories(place, run_id) - 1} times")
        return [Outcome("long.pause", GOALS["long.pause"], (longest_pause_ms(our, run_id, size),))]


def send_all(our: Ours, run_id: str, size: dict[str, int]) -> None:
    """Events and decisions in any order, spread over the run, all before its tasks have ended."""
    todo = [("event", one) for one in range(size["events"])] + [("decision", one) for one in range(size["questions"])]
    random.shuffle(todo)
    while not our.waits(run_id, "ask0"):
        time.sleep(0.01)
    for number, (kind, one) in enumerate(todo, 1):
        if kind == "event":
            our.send(run_id, "mail", {"number": one}, correlation=str(one))
        else:
            our.approve(run_id, f"ask{one}")
        while our.store.run(run_id).head < number / len(todo) * size["tasks"] * 2:
            time.sleep(0.005)


def histories(place: Place, run_id: str) -> int:
    """Executions that Temporal knows of the run's driver."""

    async def count() -> int:
        client = await connect(place.project, place.server.address)
        return (await client.count_workflows(f"WorkflowId = '{run_id}'")).count

    return asyncio.run(count())


def longest_pause_ms(our: Ours, run_id: str, size: dict[str, int]) -> float:
    """Raises where something is missing or there twice."""
    log = our.store.entries(run_id)
    ended = [entry for entry in log if entry.kind == "ended"]
    times = Counter(entry.data["node"] for entry in ended if entry.data["outcome"] == "finished")
    wanted = {f"{kind}{one}" for kind, count in zip("teq", size.values(), strict=True) for one in range(count)}
    if set(times) != wanted or set(times.values()) != {1}:
        raise RuntimeError(f"{len(times)} of {len(wanted)} tasks have ended, some {max(times.values())} times")
    kinds = Counter(entry.kind for entry in log)
    if (kinds["signal"], kinds["decided"]) != (size["events"], size["questions"]):
        raise RuntimeError(f"{kinds['signal']} events and {kinds['decided']} decisions are in the log")
    if [entry.seq for entry in log] != list(itertools.islice(itertools.count(1), len(log))):
        raise RuntimeError("the log has a gap")
    return float(max(after.at_ms - before.at_ms for before, after in pairwise(ended)))
