"""What must hold of every log, whatever has happened."""

from __future__ import annotations

from collections.abc import Mapping

from smithers.engine.entry import Entry
from smithers.engine.plan import Planner, is_same
from smithers.engine.said import ACTS
from smithers.flow.workflow import AnyWorkflow


class Broken(AssertionError):
    """An invariant does not hold."""


def check_log(editions: Mapping[str, AnyWorkflow], log: list[Entry]) -> None:
    """No gaps, unique keys, and every frame is what a planner that starts cold makes of what stands before it."""
    if [entry.seq for entry in log] != list(range(1, len(log) + 1)):
        raise Broken("the log has a gap")
    if len({entry.key for entry in log}) != len(log):
        raise Broken("a key stands in the log twice")
    check_pauses(log)
    check_questions(log)
    for frame in [entry for entry in log if entry.kind == "frame"]:
        plan = Planner.build(editions[frame.code], "r", log[: frame.data["covers"]]).plan()
        if plan is None or not is_same(plan.frame, frame.data):
            raise Broken(f"frame {frame.data['number']} is not what a cold start plans: {frame.data} / {plan}")


def check_pauses(log: list[Entry]) -> None:
    paused = False
    for entry in log:
        if paused and entry.kind in ("claim", "frame"):
            raise Broken(f"{entry.key} stands in a pause")
        if entry.kind in ("paused", "unpaused", "cancel"):
            paused = entry.kind == "paused"


def check_questions(log: list[Entry]) -> None:
    """Reminders and escalations come once and never after the answer, and each voice counts once."""
    followed = [entry for entry in log if entry.kind in ("reminded", "escalated")]
    decided = {entry.key: entry.seq for entry in log if entry.key.startswith("decided:") and entry.kind not in ACTS}
    for entry in followed:
        question = entry.key.removeprefix(f"{entry.kind}:").partition("~")[0]
        if decided.get(question, entry.seq) < entry.seq:
            raise Broken(f"{entry.key} stands behind the answer")
    for decision in [entry for entry in log if entry.kind == "decided" and "votes" in entry.data]:
        voices = [vote["by"] for vote in decision.data["votes"]]
        standing = votes_before(log, decision)
        if len(set(voices)) != len(voices) or not set(voices[:-1]) <= standing:
            raise Broken(f"{decision.key} counts {voices}, and {sorted(standing)} have voted")


def votes_before(log: list[Entry], decision: Entry) -> set[str]:
    """Who had voted and not taken it back."""
    found: set[str] = set()
    for entry in log[: decision.seq - 1]:
        if entry.kind in ("voted", "withdrawn") and entry.key.startswith(f"{decision.key}~"):
            (found.add if entry.kind == "voted" else found.discard)(entry.data["by"])
    return found
