"""The step: what a delivery does in a worker's process, one transaction at a time.

Reading the log and claiming are one action here. That loses no schedule: the claiming transaction checks all that the
look-up concluded (the command is open, this is the next claim, the epoch), and a claim that fails looks again.
"""

from __future__ import annotations

from collections.abc import Iterator

from .log import Log, View, append
from .planner import plan
from .records import NONE, Answer, Case, Command, Entry, Exec, Frame, Move, State, attempt_of, bump

NO_CLAIM = (0, 0, (0, 0))


def moves(case: Case, state: State) -> Iterator[Move]:
    for e in state.execs:
        if e.d < 0 and e.pc == "plan":
            continue
        match e.pc:
            case "look":
                yield Move(("look", e.n, e.delivery, e.d), look(case, state, e))
            case "body":
                yield from bodies(case, state, e)
            case "plan":
                if due(case, state.log.view, e):
                    yield from plans(case, state, e)
                else:
                    yield Move(("answer", e.n, e.delivery, e.d), answer(case, state, e))
            case _:
                yield Move(("write", e.n, e.delivery, e.d), write(case, state, e))


def put(state: State, e: Exec, log: Log | None = None) -> State:
    others = [x for x in state.execs if _place(x) != _place(e)]
    return state._replace(execs=tuple(sorted([*others, e], key=_place)), log=state.log if log is None else log)


def drop(state: State, e: Exec) -> State:
    return state._replace(execs=tuple(x for x in state.execs if x is not e))


def _place(e: Exec) -> tuple[int, int, int, int]:
    return e.d, e.n, e.epoch, e.delivery


def stale(case: Case, view: View, e: Exec) -> bool:
    return case.rules.epoch_check and e.epoch != view.epoch


# --- look-up and claim -----------------------------------------------------------------------------------------------


def look(case: Case, state: State, e: Exec) -> State:
    view = state.log.view
    if stale(case, view, e) or view.final:
        return put(state, e._replace(pc="plan"))
    if e.n == 0:
        return _fetch(case, state, e)
    if not case.rules.look_up:
        return put(ran(state, view.command(e.n)), e._replace(pc="body", cur=e.n))
    target = _target(view, e)
    if target == 0:
        return put(state, e._replace(pc="plan", mine=_own_fact(view, e)))
    if view.command(target).kind == "timer":
        log, _ = append(state.log, fact("fired", view.command(target), e))
        return put(state, e._replace(pc="plan", mine=len(log)), log)
    return _claim(case, state, e, target)


def _target(view: View, e: Exec) -> int:
    """The command to go on with: its own, or the one that an earlier delivery was bursting."""
    if e.n in view.open:
        return e.n
    return next((m for m in sorted(view.open) if m in view.claims and view.claims[m][1] == e.n), 0)


def _own_fact(view: View, e: Exec) -> int:
    return max((seq for seq, n, owner in view.facts if e.n in (n, owner)), default=0)


def _claim(case: Case, state: State, e: Exec, target: int) -> State:
    view, command = state.log.view, state.log.view.command(target)
    nth, owner, by = view.claims.get(target, NO_CLAIM)
    if case.rules.newer_delivery and owner == e.n and by > (e.gen, e.delivery):
        return put(state, e._replace(pc="plan"))
    log = state.log
    if view.cancelling(target):
        log, _ = append(log, fact("ended", command, e, outcome="cancelled"))
        return put(state, e._replace(pc="plan", mine=len(log)), log)
    if nth:
        log, _ = append(log, fact("died", command, e, nth=nth))
        if log.view.deaths(target) >= case.max_deaths:
            return put(state, e._replace(pc="plan", mine=len(log)), log)
    return begin(state, e, log, command)


def begin(state: State, e: Exec, log: Log, command: Command) -> State:
    """Stores the claim; the body begins with it."""
    nth = log.view.claims.get(command.n, NO_CLAIM)[0] + 1
    log, outcome = append(log, fact("claim", command, e, nth=nth))
    if outcome != "stored":
        return put(state, e._replace(pc="plan"), log)
    return put(ran(state, command), e._replace(pc="body", cur=command.n, nth=nth, mine=0), log)


def ran(state: State, command: Command) -> State:
    """Ghost: a body begins. Each time but the first needs an excuse."""
    counts = bump(state.ran, attempt_of(command))
    again = dict(counts)[attempt_of(command)] > 1
    return state._replace(ran=counts, excuses=state.excuses - again)


def fact(kind: str, command: Command, e: Exec, nth: int = 0, outcome: str = "") -> Entry:
    place = f"{command.node}:a{command.attempt}"
    keys = {
        "claim": f"claim:{place}:{command.n}:{nth}",
        "ended": f"ended:{place}",
        "died": f"died:{command.n}:{nth}",
        "settled": f"settled:{command.n}",
        "fired": f"fired:{command.n}",
    }
    by = (e.gen, e.delivery) if kind == "claim" else (0, 0)
    return Entry(kind, keys[kind], command.n, command.node, command.attempt, nth, e.n, by, outcome, None, e.epoch)


def _fetch(case: Case, state: State, e: Exec) -> State:
    log = state.log
    for n in sorted(e.settle & log.view.open):
        nth, _, by = log.view.claims.get(n, NO_CLAIM)
        if by[0] > e.gen and case.rules.settle_fenced:
            continue
        if nth:
            log, _ = append(log, fact("died", log.view.command(n), e, nth=nth))
        log, _ = append(log, fact("settled", log.view.command(n), e))
    for n in sorted(e.cancel & log.view.open):
        if log.view.claims.get(n, NO_CLAIM)[2][0] <= e.gen or not case.rules.settle_fenced:
            log, _ = append(log, fact("ended", log.view.command(n), e, outcome="cancelled"))
    return put(state, e._replace(pc="plan", mine=len(log), settle=NONE, cancel=NONE), log)


# --- the body's end --------------------------------------------------------------------------------------------------


def bodies(case: Case, state: State, e: Exec) -> Iterator[Move]:
    outcomes = ["finished"]
    if state.faults.fail:
        outcomes.append("failed")
    if state.log.view.cancelling(e.cur):
        outcomes.append("cancelled")
    for outcome in outcomes:
        left = state.faults._replace(fail=state.faults.fail - 1) if outcome == "failed" else state.faults
        start = state._replace(faults=left)
        yield Move((outcome, e.cur, e.n, e.delivery, e.d), ended(start, e, outcome))
        together = combined(case, start, e, outcome)
        if together is not None:
            yield Move((outcome + "+plan", e.cur, e.n, e.delivery, e.d), together)


def ended(state: State, e: Exec, outcome: str) -> State:
    """The fact alone: the log has moved, or other work is in flight."""
    entry = fact("ended", state.log.view.command(e.cur), e, outcome=outcome)
    log, result = append(state.log, entry)
    mine = log.view.keys.index(entry.key) + 1 if result in ("stored", "duplicate") else 0
    return put(state, e._replace(pc="plan", cur=0, nth=0, mine=mine), log)


def combined(case: Case, state: State, e: Exec, outcome: str) -> State | None:
    """Fact, frame and the burst's next claim in one transaction; None where that cannot be."""
    if e.d < 0:
        return None
    newest = state.log.view.claims.get(e.cur, NO_CLAIM)[0] == e.nth
    log, result = append(state.log, fact("ended", state.log.view.command(e.cur), e, outcome=outcome))
    frame = plan(case, log.view, e.n) if result == "stored" else None
    if frame is None:
        return None
    log = log.add(frame_entry(frame, e))
    done = e._replace(pc="plan", cur=0, nth=0, mine=len(log) - 1)
    follow = next_of_burst(log.view, e)
    if follow is None or (case.rules.newest_claim and not newest):
        return put(state, done, log)
    return begin(state, done, log, follow)


def next_of_burst(view: View, e: Exec) -> Command | None:
    if view.final:
        return None
    return next(
        (
            c
            for c in view.commands
            if c.n in view.open and c.burst and c.owner == e.n and c.n not in view.claims and not view.cancelling(c.n)
        ),
        None,
    )


def frame_entry(frame: Frame, e: Exec) -> Entry:
    return Entry("frame", f"frame:{frame.number}", owner=e.n, frame=frame, epoch=e.epoch)


# --- plan and answer -------------------------------------------------------------------------------------------------


def due(case: Case, view: View, e: Exec) -> bool:
    if stale(case, view, e) or view.final or view.broken:
        return False
    if case.rules.answer_snapshot:
        return bool(view.facts)
    return any(fact[0] <= e.mine for fact in view.facts)


def plans(case: Case, state: State, e: Exec) -> Iterator[Move]:
    """Reads the log, renders, and writes.

    A plan that was made when the log was shorter is stored if no frame has come between, so writing what some earlier
    position gives is the same as having read there. Without the compare and set it is not, and reading is a move of
    its own.
    """
    if state.faults.render:
        left = state.faults._replace(render=state.faults.render - 1)
        log, _ = append(state.log, Entry("render_failed", f"render_failed:{len(state.log)}", epoch=e.epoch))
        yield Move(("render fails", e.n, e.delivery, e.d), put(state._replace(faults=left), e, log), True)
    if not case.rules.plan_cas:
        yield Move(("read", e.n, e.delivery, e.d), put(state, e._replace(pc="write", seen=len(state.log))))
        return
    view = state.log.view
    for seq in sorted({fact[0] for fact in view.facts if fact[0] >= e.mine} | {view.seq}):
        if state.log.at(seq).view.frames == view.frames:
            yield Move(("plan", seq, e.n, e.delivery, e.d), write(case, state, e._replace(seen=seq)))


def write(case: Case, state: State, e: Exec) -> State:
    seen, view = state.log.at(e.seen).view, state.log.view
    back = e._replace(pc="plan", seen=0)
    frame = plan(case, seen, e.n)
    if frame is None or stale(case, view, e) or view.final or view.broken:
        return put(state, back)
    if view.planned != seen.planned or view.frames != seen.frames:
        if case.rules.plan_cas:
            return put(state, back)
        frame = _renumbered(frame, view)
    log = state.log.add(frame_entry(frame, e))
    follow = None if case.rules.burst_in_one or e.n == 0 else next_of_burst(log.view, e)
    return put(state, back, log) if follow is None else begin(state, back, log, follow)


def _renumbered(frame: Frame, view: View) -> Frame:
    """What a store without the compare and set would take."""
    first = len(view.commands) + 1
    commands = tuple(c._replace(n=first + i) for i, c in enumerate(frame.commands))
    return frame._replace(number=view.frames + 1, commands=commands)


def answer(case: Case, state: State, e: Exec) -> State:
    """Reads what to return and completes the activity, if the server still listens to this delivery."""
    found = reply(case, state.log.view, e)
    acts = tuple(
        a._replace(phase="answered", answer=found)
        if (a.d, a.n, a.delivery, a.phase) == (e.d, e.n, e.delivery, "running")
        else a
        for a in state.acts
    )
    return drop(state, e)._replace(acts=acts)


def reply(case: Case, view: View, e: Exec) -> Answer:
    if stale(case, view, e):
        return Answer((), "stale")
    if view.final:
        return Answer((), view.status)
    commands = [c for c in view.commands if c.n in view.open]
    if e.n == 0:
        return Answer(tuple(c for c in commands if c.n > e.above))
    since = view.since.get(e.n, len(view.commands)) if case.rules.answers_since else len(view.commands)
    return Answer(tuple(c for c in commands if c.owner == e.n or c.n > since))
