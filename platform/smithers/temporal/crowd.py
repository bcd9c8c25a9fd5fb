"""Quick bodies of one run that end at about the same time are stored together, with one frame for all.

A fact that is stored alone costs a transaction, and a plan for it another one. Where a hundred tasks are in flight that
is most of what a step does. So a quick body's end is put down as an offer, and whoever gets the run's lock next stores
all offers with their frame in one transaction; the others find their offer done when they get the lock. What took long
is never kept in memory for it: it is stored at once (`step.py`).

Meanwhile other tasks of the run begin: their claims may stand before the facts, and change no plan. Where others write
facts to the same log (events, decisions, another process), one transaction for both would often be refused, and a
planner that has planned ahead of what was refused must be built anew: half a second in a run of 5,000 nodes. There the
facts are stored first, and then their frame.

Who stores for all waits a moment for company where many are in flight, as databases do before a commit that others may
share: without it, most would still be stored alone, and a task costs a third more processor time.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

from smithers.engine.entry import Fact
from smithers.errors import RenderError
from smithers.store.records import Append
from smithers.temporal.plans import Combined, Plans, unplanned
from smithers.temporal.run_plans import Offer, RunPlans
from smithers.temporal.running import Job

MANY: Final = 8
"""Tasks of a run in flight, beyond which another one is likely to end in a moment."""
COMPANY_S: Final = 0.003


def end_with_others(plans: Plans, run_id: str, job: Job | None, fact: Fact, owner: int, epoch: int) -> Offer:
    """Stores the fact, most likely with others, and a frame for all of them where nothing else has to be known first.

    Raises what the store raises. A fact without a frame is planned as if it had been stored alone.
    """
    offer = Offer(fact)
    plans.of(run_id).offers.append(offer)
    with plans.locked(run_id, job) as run:
        if not offer.done:
            lead(plans, run, offer, owner, epoch)
    if offer.error is not None:
        raise offer.error
    return offer


def lead(plans: Plans, run: RunPlans, own: Offer, owner: int, epoch: int) -> None:
    if run.planner is not None and run.planner.in_flight > MANY:
        time.sleep(COMPANY_S)
    offers = taken(run)
    if own not in offers:  # the run's object was replaced: a rendering hung
        offers.append(own)
    try:
        result = store(plans, run, tuple(offer.fact for offer in offers), owner, epoch)
    except Exception as error:  # noqa: BLE001  everybody who waits is told
        for offer in offers:
            offer.error, offer.done = error, True
        return
    for offer, outcome, position in zip(offers, result.outcomes, result.positions, strict=True):
        offer.outcome, offer.position, offer.done = outcome, position, True


def taken(run: RunPlans) -> list[Offer]:
    offers: list[Offer] = []
    while run.offers:
        offers.append(run.offers.popleft())
    return offers


def store(plans: Plans, run: RunPlans, new: tuple[Fact, ...], owner: int, epoch: int) -> Combined:
    if not run.has_company and knows_all(plans, run, new):
        return plans.together(run, new, owner, epoch)
    request = Append(run.run_id, new, epoch=epoch, keep_rejected=True, code=plans.digest)
    stored = unplanned(new, plans.store.append(request))
    if run.has_company:
        plans.plan_all(run, owner, epoch)
    return stored


def knows_all(plans: Plans, run: RunPlans, new: Sequence[Fact]) -> bool:
    """Whether the planner, at the end of the log, waits for each of these facts."""
    try:
        planner = plans.caught_up(run)
    except RenderError:
        return False
    return all(fact.data["n"] in planner.state.by_command for fact in new)
