"""The driver: the Temporal workflow that carries out numbered commands and decides nothing.

Each function here is one workflow task: an event, and all that the driver does about it.
"""

from __future__ import annotations

from collections.abc import Iterator

from .records import Act, Answer, Case, Command, Driver, Exec, Move, State


def moves(case: Case, state: State) -> Iterator[Move]:
    for act in state.acts:
        if act.phase == "answered":
            yield Move(("take", act.n, act.d), take(case, state, act))
        if act.cancelled and act.phase == "queued":
            yield Move(("cancelled", act.n, act.d), never_started(case, state, act))
    for driver in state.drivers:
        for n in sorted(driver.timers):
            yield Move(("timer", n, driver.id), fires(case, state, driver, n))
    for e in state.execs:
        if e.d < 0 and e.pc == "plan":
            yield Move(("child ends", e.n, e.delivery), child_ends(case, state, e))


def of(state: State, id: int) -> Driver | None:
    return next((d for d in state.drivers if d.id == id), None)


def put(state: State, driver: Driver) -> State:
    others = tuple(d for d in state.drivers if d.id != driver.id)
    return state._replace(drivers=tuple(sorted((*others, driver), key=lambda d: d.id)))


def without(state: State, act: Act) -> State:
    return state._replace(acts=tuple(a for a in state.acts if (a.d, a.n, a.epoch) != (act.d, act.n, act.epoch)))


def schedule(state: State, act: Act) -> State:
    return state._replace(acts=tuple(sorted((*state.acts, act), key=lambda a: (a.d, a.n, a.epoch))))


def start(state: State, home: int, epoch: int, case: Case) -> State:
    id = state.last_driver + 1
    first = case.rules.first_fetch or id == 1
    return go(case, state._replace(last_driver=id), Driver(id, home, epoch, full=first))


def close(state: State, driver: Driver) -> State:
    return state._replace(
        drivers=tuple(d for d in state.drivers if d.id != driver.id),
        acts=tuple(a for a in state.acts if a.d != driver.id),
    )


def ring(case: Case, state: State) -> State:
    """Signal-with-start on the run's server."""
    open_one = next((d for d in state.drivers if d.home == state.home), None)
    if open_one is None:
        return start(state, state.home, state.log.view.epoch, case)
    fetching = any(a.d == open_one.id and a.n == 0 for a in state.acts)
    if fetching and not case.rules.bell_kept:
        return state
    return go(case, state, open_one._replace(bell=True))


def go(case: Case, state: State, driver: Driver) -> State:
    """What the driver does before it waits again."""
    if driver.ending:
        return close(state, driver)
    mine = [a for a in state.acts if a.d == driver.id]
    if driver.closing and not mine:
        return start(close(state, driver), driver.home, driver.epoch, case)
    wanted = driver.bell or driver.full or driver.settle or driver.cancel
    if driver.closing or not wanted or any(a.n == 0 for a in mine):
        return put(state, driver)
    above = 0 if driver.full and case.rules.safe_above else driver.mark
    fetch = Act(driver.id, 0, driver.epoch, driver.id, above=above, settle=driver.settle, cancel=driver.cancel)
    empty: frozenset[int] = frozenset()
    return put(schedule(state, fetch), driver._replace(bell=False, full=False, settle=empty, cancel=empty))


# --- events ----------------------------------------------------------------------------------------------------------


def take(case: Case, state: State, act: Act) -> State:
    driver, found = of(state, act.d), act.answer
    state = without(state, act)
    if driver is None or found is None:
        return state
    if found.done:
        return go(case, state, driver._replace(ending=True))
    return go(case, *carry_out(case, state, driver, act, found))


def carry_out(case: Case, state: State, driver: Driver, act: Act, found: Answer) -> tuple[State, Driver]:
    flying = {a.n for a in state.acts if a.d == driver.id}
    for command in found.commands:
        if command.n in driver.seen:
            continue
        if case.rules.owner_answers and command.owner in flying and command.owner:
            driver = driver._replace(held=driver.held | {(command.n, command.owner)})
            continue
        driver = driver._replace(seen=driver.seen | {command.n})
        if act.n == 0 or not case.rules.safe_above:
            driver = driver._replace(mark=max(driver.mark, command.n))
        if not driver.closing:
            state, driver = one(case, state, driver, command)
    missing = any(owner == act.n and n not in driver.seen for n, owner in driver.held)
    held = frozenset((n, owner) for n, owner in driver.held if owner != act.n and n not in driver.seen)
    return state, driver._replace(held=held, full=driver.full or (missing and case.rules.held_fetched))


def one(case: Case, state: State, driver: Driver, command: Command) -> tuple[State, Driver]:
    n = command.n
    if n in driver.dead:
        return state, driver._replace(cancel=driver.cancel | {n})
    match command.kind:
        case "run":
            return schedule(state, Act(driver.id, n, driver.epoch, driver.id)), driver
        case "timer":
            return state, driver._replace(timers=driver.timers | {n})
        case "child":
            return _child(case, state, driver, n)
        case "cancel":
            return _cancel(case, state, driver, command.target)
        case _:
            return state, driver._replace(ending=True)


def _child(case: Case, state: State, driver: Driver, n: int) -> tuple[State, Driver]:
    there = any(
        a.d == -driver.home and a.n == n and (a.epoch == driver.epoch or not case.rules.child_epoch)
        for a in state.acts
    )
    if there:
        return state, driver
    child = Act(-driver.home, n, driver.epoch, driver.id)
    return schedule(state, child), driver._replace(watched=driver.watched | {n})


def _cancel(case: Case, state: State, driver: Driver, target: int) -> tuple[State, Driver]:
    if target not in driver.seen:
        driver = driver._replace(dead=driver.dead | {target})
        return state, driver if case.rules.dead_waits else driver._replace(cancel=driver.cancel | {target})
    acts = tuple(
        a._replace(cancelled=True) if a.n == target and a.d in (driver.id, -driver.home) else a for a in state.acts
    )
    return state._replace(acts=acts), driver


def fires(case: Case, state: State, driver: Driver, n: int) -> State:
    driver = driver._replace(timers=driver.timers - {n})
    if driver.closing:
        return put(state, driver)
    return go(case, schedule(state, Act(driver.id, n, driver.epoch, driver.id)), driver)


def never_started(case: Case, state: State, act: Act) -> State:
    """A cancel reaches an activity, or a child, before any worker has."""
    state = without(state, act)
    driver = _listener(state, act)
    if driver is None:
        return state
    driver = driver._replace(cancel=driver.cancel | {act.n}, watched=driver.watched - {act.n})
    return go(case, state, driver)


def lost(case: Case, state: State, act: Act) -> State:
    """An activity, or a child, ended without an answer."""
    state = without(state, act)
    driver = _listener(state, act)
    if driver is None:
        return state
    held = frozenset(x for x in driver.held if x[1] != act.n)
    driver = driver._replace(full=True, watched=driver.watched - {act.n}, held=held)
    if act.n == 0:
        driver = driver._replace(settle=driver.settle | act.settle, cancel=driver.cancel | act.cancel)
    else:
        driver = driver._replace(settle=driver.settle | {act.n})
    return go(case, state, driver)


def child_ends(case: Case, state: State, e: Exec) -> State:
    """The child's step has stored what it can: it rings, and its workflow closes."""
    act = next((a for a in state.acts if (a.d, a.n, a.epoch, a.delivery) == (e.d, e.n, e.epoch, e.delivery)), None)
    state = state._replace(execs=tuple(x for x in state.execs if x is not e), ring=True)
    if act is None or act.phase != "running":
        return state
    state = without(state, act)
    driver = _listener(state, act)
    if driver is None:
        return state
    return go(case, state, driver._replace(bell=True, watched=driver.watched - {e.n}))


def _listener(state: State, act: Act) -> Driver | None:
    if act.d > 0:
        return of(state, act.d)
    return next((d for d in state.drivers if d.home == -act.d and act.n in d.watched and d.epoch == act.epoch), None)
