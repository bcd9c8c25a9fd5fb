"""The driver: the Temporal workflow that carries out numbered commands and decides nothing.

Each event here is one workflow task: what has happened, and all that the driver does about it.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from tests.model.records import NONE, Act, Answer, Case, Command, Driver, Exec, Move, State


def moves(case: Case, state: State) -> Iterator[Move]:
    for act in state.acts:
        if act.phase == "answered":
            yield Move(("take", act.n, act.d), partial(take, case, state, act))
        if act.cancelled and act.phase == "queued":
            yield Move(("never started", act.n, act.d), partial(never_started, case, state, act))
    for driver in state.drivers:
        for n in sorted(driver.timers):
            yield Move(("timer", n, driver.id), partial(timer, case, state, driver, n))
        for n in sorted(driver.foreign):
            if case.rules.looks_again and not driver.closing and not any(is_child(driver, n, a) for a in state.acts):
                yield Move(("look again", n, driver.id), partial(look_again, case, state, driver, n), "look again")
    for e in state.execs:
        if e.d < 0 and e.pc == "plan":
            yield Move(("child ends", e.n, e.delivery), partial(child_ends, case, state, e))


def put(state: State, driver: Driver) -> State:
    others = [d for d in state.drivers if d.id != driver.id]
    return state._replace(drivers=tuple(sorted([*others, driver], key=lambda d: d.id)))


def schedule(state: State, act: Act) -> State:
    return state._replace(acts=tuple(sorted([*state.acts, act], key=lambda a: a.place)))


def without(state: State, act: Act) -> State:
    return state._replace(acts=tuple(a for a in state.acts if a.place != act.place))


def home_of(state: State) -> Driver | None:
    """The open workflow on the run's server."""
    return next((d for d in state.drivers if d.home == state.home), None)


def listener(state: State, act: Act) -> Driver | None:
    """The driver that Temporal tells how this activity, or child, ended."""
    if act.d > 0:
        return next((d for d in state.drivers if d.id == act.d), None)
    return next((d for d in state.drivers if d.home == -act.d and d.id == act.gen and act.n in d.watched), None)


# --- a Temporal run's begin and end ----------------------------------------------------------------------------------


def start(case: Case, state: State, home: int, epoch: int) -> State:
    number = state.last_driver + 1
    full = case.rules.first_fetch or number == 1
    return go(case, state._replace(last_driver=number), Driver(number, home, epoch, full=full))


def close(state: State, driver: Driver) -> State:
    drivers = tuple(d for d in state.drivers if d.id != driver.id)
    return state._replace(drivers=drivers, acts=tuple(a for a in state.acts if a.d != driver.id))


def ring(case: Case, state: State) -> State:
    """Signal-with-start on the run's server."""
    state = state._replace(ring=False)
    driver = home_of(state)
    if driver is None:
        return start(case, state, state.home, state.log.view.epoch)
    fetching = any(a.d == driver.id and a.n == 0 for a in state.acts)
    return state if fetching and not case.rules.bell_kept else go(case, state, driver._replace(bell=True))


def close_soon(case: Case, state: State, driver: Driver) -> State:
    """Continue-as-new is suggested: nothing new is started from here on."""
    return go(case, state._replace(faults=state.faults.use("can")), driver._replace(closing=True))


def go(case: Case, state: State, driver: Driver) -> State:
    """What the driver does before it waits again."""
    if driver.ending:
        return close(state, driver)
    mine = [a for a in state.acts if a.d == driver.id]
    if driver.closing and not mine:
        return start(case, close(state, driver), driver.home, driver.epoch)
    wanted = driver.bell or driver.full or driver.settle or driver.cancel
    if driver.closing or not wanted or any(a.n == 0 for a in mine):
        return put(state, driver)
    above = 0 if driver.full and case.rules.safe_above else driver.mark
    alone = (not mine or not case.rules.fetch_alone) and any(node.burst for node in case.flow)
    order = {"settle": driver.settle, "cancel": driver.cancel, "alone": alone}
    fetch = Act(driver.id, 0, driver.epoch, driver.id, above=above, **order)
    return put(schedule(state, fetch), driver._replace(bell=False, full=False, settle=NONE, cancel=NONE))


# --- events ----------------------------------------------------------------------------------------------------------


def take(case: Case, state: State, act: Act) -> State:
    driver, found = listener(state, act), act.answer
    state = without(state, act)
    if driver is None or found is None:
        return state
    if found.done:
        return go(case, state, driver._replace(ending=True))
    return go(case, *carry_out(case, state, driver, act, found))


def carry_out(case: Case, state: State, driver: Driver, act: Act, found: Answer) -> tuple[State, Driver]:
    flying = {a.n for a in state.acts if a.d == driver.id and (a.n or (a.alone and case.rules.fetch_owns))}
    for command in found.commands:
        if command.n in driver.seen:
            continue
        if case.rules.owner_answers and command.owner in flying:
            driver = driver._replace(left=driver.left | {(command.n, command.owner)})
            continue
        driver = driver._replace(seen=driver.seen | {command.n})
        if not driver.closing:
            state, driver = start_one(case, state, driver, command)
    if act.n == 0 or not case.rules.safe_above:
        driver = driver._replace(mark=max([driver.mark, *(c.n for c in found.commands)]))
    return state, miss_nothing(case, driver, act.n)


def miss_nothing(case: Case, driver: Driver, owner: int) -> Driver:
    """The owner's answer may be older than the one that named what was left to it."""
    missing = any(by == owner and n not in driver.seen for n, by in driver.left)
    left = frozenset((n, by) for n, by in driver.left if by != owner and n not in driver.seen)
    driver = driver._replace(left=left)
    if not missing or not case.rules.left_fetched:
        return driver
    return driver._replace(full=True) if case.rules.full_kept else driver._replace(bell=True, mark=0)


def start_one(case: Case, state: State, driver: Driver, command: Command) -> tuple[State, Driver]:
    n = command.n
    if n in driver.dead:
        return state, driver._replace(cancel=driver.cancel | {n})
    match command.kind:
        case "run":
            return schedule(state, Act(driver.id, n, driver.epoch, driver.id)), driver
        case "timer":
            return state, driver._replace(timers=driver.timers | {n})
        case "child":
            return start_child(case, state, driver, n)
        case "cancel":
            return cancel(case, state, driver, command.target)
        case _:
            return state, driver._replace(ending=True)


def start_child(case: Case, state: State, driver: Driver, n: int) -> tuple[State, Driver]:
    """A child that runs already is recognised by its id; this Temporal run is not told how it ends."""
    running = [a for a in state.acts if is_child(driver, n, a)]
    if any(a.epoch == driver.epoch or not case.rules.child_epoch for a in running):
        return state, driver._replace(foreign=driver.foreign | {n})
    child = Act(-driver.home, n, driver.epoch, driver.id)
    driver = driver._replace(watched=driver.watched | {n}, foreign=driver.foreign - {n})
    return schedule(state, child), driver


def is_child(driver: Driver, n: int, act: Act) -> bool:
    return act.d == -driver.home and act.n == n


def look_again(case: Case, state: State, driver: Driver, n: int) -> State:
    """From time to time the driver tries to start what another Temporal run had started."""
    return put(*start_child(case, state, driver, n))


def cancel(case: Case, state: State, driver: Driver, target: int) -> tuple[State, Driver]:
    if target not in driver.seen:
        driver = driver._replace(dead=driver.dead | {target})
        return state, driver if case.rules.dead_waits else driver._replace(cancel=driver.cancel | {target})
    places = (driver.id, -driver.home)
    acts = tuple(a._replace(cancelled=True) if a.n == target and a.d in places else a for a in state.acts)
    return state._replace(acts=acts), driver


def timer(case: Case, state: State, driver: Driver, n: int) -> State:
    driver = driver._replace(timers=driver.timers - {n})
    if driver.closing:
        return put(state, driver)
    return go(case, schedule(state, Act(driver.id, n, driver.epoch, driver.id)), driver)


def never_started(case: Case, state: State, act: Act) -> State:
    """A cancel reaches an activity, or a child, before any worker has."""
    driver = listener(state, act)
    state = without(state, act)
    if driver is None:
        return state
    driver = driver._replace(cancel=driver.cancel | {act.n}, watched=driver.watched - {act.n})
    return go(case, state, driver)


def lost(case: Case, state: State, act: Act) -> State:
    """An activity, or a child, has ended without an answer."""
    driver = listener(state, act)
    state = without(state, act)
    if driver is None:
        return state
    left = frozenset(x for x in driver.left if x[1] != act.n)
    driver = driver._replace(full=True, watched=driver.watched - {act.n}, left=left)
    settle = act.settle if act.n == 0 else frozenset({act.n})
    return go(case, state, driver._replace(settle=driver.settle | settle, cancel=driver.cancel | act.cancel))


def child_ends(case: Case, state: State, e: Exec) -> State:
    """The child's step has stored what it could: it rings, and its workflow closes."""
    act = next((a for a in state.acts if a.place == e.place and a.delivery == e.delivery), None)
    state = state._replace(execs=tuple(x for x in state.execs if x != e), ring=True)
    if act is None or act.phase != "running":
        return state
    driver = listener(state, act)
    state = without(state, act)
    if driver is None:
        return state
    return go(case, state, driver._replace(bell=True, watched=driver.watched - {e.n}))
