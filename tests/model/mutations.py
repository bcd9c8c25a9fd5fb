"""Protocols that lack a rule, each with a scenario in which that is found."""

from __future__ import annotations

from typing import NamedTuple

from tests.model.graph import Result, explore, follow, without
from tests.model.scenarios import Scenario

STARTED = ("ring", "deliver 0 1 1", "plan 1 0 1 1", "answer 0 1 1", "take 0 1")
"""The first fetch has planned, and the driver has carried out what it brought."""

LOST_BESIDE_A_LATER_ONE = (
    *STARTED,
    *("deliver 1 1 1", "deliver 2 1 1", "finished+plan 1 1 1 1", "finished+plan 2 2 1 1"),
    *("answer 2 1 1", "crash 1 1 1", "take 2 1"),
)
"""a has planned c (3), b has planned d (4); b's answer arrives, a's never will."""

LEFT_TO_AN_OLD_ANSWER = (
    *STARTED,
    *("deliver 1 1 1", "terminate", "sweep", "deliver 0 1 2", "answer 0 1 2", "take 0 2"),
    *("deliver 1 1 2", "finished+plan 1 1 1 2", "answer 1 1 2", "finished 1 1 1 1"),
    *("approve p", "plan 8 1 1 1", "ring", "deliver 0 1 2", "answer 0 1 2", "take 0 2"),
    *("approve q", "ring", "take 1 2"),
)
"""a's old body has planned c (2) for a; a's answer, which is older, has arrived while a fetch is in flight."""


class Mutation(NamedTuple):
    dropped: str
    flow: str
    faults: tuple[str, ...]
    problem: str
    """What the explorer is to find, or a part of it."""
    prefix: tuple[str, ...] = ()
    """Moves up to where it becomes interesting; all that may follow is explored."""
    relies_on: str = ""

    def __str__(self) -> str:
        return self.dropped

    def explore(self, *, broken: bool = True) -> Result:
        rules = without(*(self.dropped.split("+") if broken else ()))
        case, first = Scenario(self.flow, self.faults).begin(rules)
        return explore(case, follow(case, first, self.prefix), frozenset(self.relies_on.split()), limit=120_000)


AGAIN = "a body runs again, and no fault explains it"
STUCK = "stuck"
MUTATIONS = (
    Mutation("look_up", "chain", ("crash",), AGAIN),
    Mutation("epoch_check", "chain", ("redrive",), "is stored by a writer of epoch 1 in epoch 2"),
    Mutation("settle_closes", "chain", ("crash",), "puts a node in flight twice"),
    Mutation("settle_fenced", "chain", ("zombie", "crash", "can"), AGAIN),
    Mutation("alone_released", "child", ("crash",), "counts the death of a worker against a body that ran alone"),
    Mutation("plan_cas", "join", (), "covers 4, after one that covers 6"),
    Mutation("final_waits", "pair", ("fail",), "is announced as failed while b is in flight"),
    Mutation("resume_closes", "chain", ("resume",), "the run is started again and again", relies_on="sweep"),
    Mutation("asked_anew", "approval", ("deny", "resume"), STUCK, relies_on="sweep"),
    Mutation("first_fetch", "chain", ("can",), STUCK),
    Mutation("bell_kept", "approval", (), STUCK),
    Mutation("owner_answers", "burst", ("spurious",), AGAIN),
    Mutation("left_fetched", "two approvals", ("terminate",), STUCK, LEFT_TO_AN_OLD_ANSWER, relies_on="sweep"),
    Mutation("full_kept", "two approvals", ("terminate",), STUCK, LEFT_TO_AN_OLD_ANSWER, relies_on="sweep"),
    Mutation("safe_above", "two chains", ("crash",), STUCK, LOST_BESIDE_A_LATER_ONE),
    Mutation("dead_waits", "burst", ("cancel",), "is announced while the only body of command 2 runs"),
    Mutation("child_epoch", "child", ("restart",), STUCK, relies_on="sweep"),
    Mutation("answers_since", "burst", ("zombie",), STUCK),
    Mutation("answer_snapshot", "chain", ("terminate",), STUCK, relies_on="sweep"),
    Mutation("newest_claim", "burst", ("zombie",), AGAIN),
    Mutation("fetch_alone", "short beside", (), AGAIN),
    Mutation("fetch_owns", "short timer", ("spurious",), AGAIN),
    Mutation("burst_in_one", "burst", ("zombie",), AGAIN),
    Mutation("newer_delivery", "burst", ("zombie",), AGAIN),
    Mutation("attach_looks", "chain", ("redrive",), AGAIN),
    Mutation("sweeper", "chain", ("bell",), STUCK),
    Mutation("sweep_unclaimed", "approval", ("zombie", "bell"), STUCK, relies_on="sweep"),
    Mutation("looks_again", "child", ("crash", "can"), STUCK, relies_on="sweep unclaimed"),
)
