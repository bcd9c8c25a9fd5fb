"""The step: what a delivery does in a worker's process, one transaction at a time.

Looking and claiming are one action here. That loses no schedule: the claiming transaction checks all that the look-up
concluded (the command is open, this is the next claim, the epoch), and a claim that fails looks again. For the same
reason reading the log, planning and storing the frame are one action, which may take any earlier position of the log as
the one that was read, unless the compare and set is switched off.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from tests.model.log import Log, View, append
from tests.model.planner import plan
from tests.model.records import NONE, Act, Answer, Case, Command, Entry, Exec, Frame, Move, State, bump


def moves(case: Case, state: State) -> Iterator[Move]:
    for e in state.execs:
        where = (e.n, e.delivery, e.d)
        match e.pc:
            case "look":
                yield Move(("look", *where), partial(look, case, state, e))
            case "body":
                yield from bodies(case, state, e)
            case "write":
                yield Move(("write", *where), partial(write, case, state, e))
            case _ if e.d < 0:
                pass  # the end of a child is the driver's business
            case _ if due(case, state.log.view, e):
                yield from plans(case, state, e)
            case _:
                yield Move(("answer", *where), partial(answer, case, state, e))


def put(state: State, e: Exec, log: Log | None = None) -> State:
    others = [x for x in state.execs if x.place != e.place or x.delivery != e.delivery]
    return state._replace(execs=tuple(sorted([*others, e])), log=state.log if log is None else log)


def drop(state: State, e: Exec) -> State:
    return state._replace(execs=tuple(x for x in state.execs if x != e))


def stale(case: Case, view: View, e: Exec) -> bool:
    return case.rules.epoch_check and e.epoch != view.epoch


def is_listened_to(act: Act, e: Exec) -> bool:
    return act.phase == "running" and act.place == e.place and act.delivery == e.delivery


# --- look-up and claim -----------------------------------------------------------------------------------------------


def look(case: Case, state: State, e: Exec) -> State:
    view = state.log.view
    if stale(case, view, e) or view.final:
        return put(state, e._replace(pc="plan"))
    if e.n == 0:
        return fetch(case, state, e)
    if not case.rules.look_up:
        return put(count(state, view.command(e.n)), e._replace(pc="body", cur=e.n))
    target = e.n if e.n in view.open else bursting(view, e.n)
    if target == 0:
        return put(state, e._replace(pc="plan", mine=own_fact(view, e)))
    if view.command(target).kind == "timer":
        return store(state, e, fact("fired", view.command(target), e))
    return take_over(case, state, e, target)


def bursting(view: View, n: int) -> int:
    """The command that step n has begun in a burst and not ended; 0 if there is none."""
    return next((m for m in sorted(view.open) if m != n and view.claim(m)[1] == n), 0)


def own_fact(view: View, e: Exec) -> int:
    return max((fact.seq for fact in view.facts if e.n in {fact.n, fact.owner}), default=0)


def take_over(case: Case, state: State, e: Exec, target: int) -> State:
    view, command = state.log.view, state.log.view.command(target)
    nth, owner, by, _ = view.claim(target)
    if case.rules.newer_delivery and owner == e.n and by > (e.gen, e.delivery):
        return put(state, e._replace(pc="plan"))
    if view.cancelling(target):
        return store(state, e, fact("ended", command, e, outcome="cancelled"))
    if nth == 0:
        return begin(state, e, state.log, command)
    log = worker_lost(case, state.log, command, e)
    if log.view.deaths(target) >= case.max_deaths:
        return put(state, e._replace(pc="plan", mine=len(log)), log)
    return begin(state, e, log, command)


def worker_lost(case: Case, log: Log, command: Command, e: Exec) -> Log:
    """Says how the newest claim ended, unless that is known. The end of a worker is none of a body's that ran alone."""
    nth, _, _, alone = log.view.claim(command.n)
    if f"died:{command.n}:{nth}" in log.view.keys:
        return log
    kind = "released" if alone and case.rules.alone_released else "died"
    return append(log, fact(kind, command, e, nth=nth))[0]


def body_dies(state: State, e: Exec) -> State:
    """The process in which the body ran alone is gone: its worker sees that, says so, and looks again."""
    died = fact("died", state.log.view.command(e.cur), e, nth=e.nth, outcome="body")
    return put(state, e._replace(pc="look", cur=0, nth=0), append(state.log, died)[0])


def begin(state: State, e: Exec, log: Log, command: Command) -> State:
    """Stores the claim; the body begins with it. After a death it runs alone."""
    nth = log.view.claim(command.n)[0] + 1
    alone = command.kind == "child" or log.view.deaths(command.n) > 0
    log, outcome = append(log, fact("claim", command, e, nth=nth)._replace(alone=alone))
    if outcome != "stored":
        return put(state, e._replace(pc="plan"), log)
    return put(count(state, command), e._replace(pc="body", cur=command.n, nth=nth, mine=0), log)


def count(state: State, command: Command) -> State:
    """Ghost: a body begins. Each time but the first needs an excuse."""
    ran = bump(state.ran, command.place)
    again = dict(ran)[command.place] > 1
    return state._replace(ran=ran, excuses=state.excuses - again)


def fact(kind: str, command: Command, e: Exec, *, nth: int = 0, outcome: str = "") -> Entry:
    n, place = command.n, command.place
    keys = {"claim": f"claim:{place}:{n}:{nth}", "ended": f"ended:{place}"}
    keys |= {"died": f"died:{n}:{nth}", "released": f"released:{n}:{nth}"}
    by = (e.gen, e.delivery) if kind == "claim" else (0, 0)
    return Entry(kind, keys.get(kind, f"{kind}:{n}"), n, place, nth, e.n, by, outcome, epoch=e.epoch)


def store(state: State, e: Exec, entry: Entry) -> State:
    """One fact, and then the plan. A fact that is there already counts as ours."""
    log, result = append(state.log, entry)
    mine = log.view.keys.index(entry.key) + 1 if result in {"stored", "duplicate"} else 0
    return put(state, e._replace(pc="plan", cur=0, nth=0, mine=mine), log)


# --- fetch -----------------------------------------------------------------------------------------------------------


def fetch(case: Case, state: State, e: Exec) -> State:
    """What the driver reports, in one transaction."""
    log = state.log
    for n in sorted(e.settle):
        for m in (n, bursting(log.view, n)):
            if m in log.view.open and is_reported(case, log.view, e, m):
                log = settle(case, log, log.view.command(m), e)
    for n in sorted(e.cancel & log.view.open):
        if is_reported(case, log.view, e, n):
            log, _ = append(log, fact("ended", log.view.command(n), e, outcome="cancelled"))
    return put(state, e._replace(pc="plan", mine=len(log), settle=NONE, cancel=NONE), log)


def is_reported(case: Case, view: View, e: Exec, n: int) -> bool:
    """What a newer Temporal run has begun is none of an older one's business."""
    return not case.rules.settle_fenced or view.claim(n)[2][0] <= e.gen


def settle(case: Case, log: Log, command: Command, e: Exec) -> Log:
    if log.view.claim(command.n)[0]:
        log = worker_lost(case, log, command, e)
    return append(log, fact("settled", command, e))[0]


# --- the body's end --------------------------------------------------------------------------------------------------


def bodies(case: Case, state: State, e: Exec) -> Iterator[Move]:
    outcomes = [("finished", state)]
    if state.faults.fail:
        outcomes.append(("failed", state._replace(faults=state.faults.use("fail"))))
    if state.log.view.cancelling(e.cur):
        outcomes.append(("cancelled", state))
    for outcome, start in outcomes:
        where = (e.cur, e.n, e.delivery, e.d)
        yield Move((outcome, *where), partial(end_alone, start, e, outcome))
        if e.d > 0 and e.cur in state.log.view.open:
            yield Move((f"{outcome}+plan", *where), partial(end_together, case, start, e, outcome))


def end_alone(state: State, e: Exec, outcome: str) -> State:
    """The fact alone: the log has moved, or other work is in flight."""
    return store(state, e, fact("ended", state.log.view.command(e.cur), e, outcome=outcome))


def end_together(case: Case, state: State, e: Exec, outcome: str) -> State:
    """Fact, frame and the burst's next claim in one transaction, where nobody has written in between."""
    newest = state.log.view.claim(e.cur)[0] == e.nth
    alone = end_alone(state, e, outcome)
    frame = None if alone.log is state.log else plan(case, alone.log.view, e.n)
    if frame is None:
        return alone
    done = e._replace(pc="plan", cur=0, nth=0, mine=len(alone.log))
    log = alone.log.add(frame_entry(frame, e))
    following = next_of_burst(log.view, e)
    if following is None or (case.rules.newest_claim and not newest):
        return put(state, done, log)
    return begin(state, done, log, following)


def next_of_burst(view: View, e: Exec) -> Command | None:
    if view.final:
        return None

    def is_next(c: Command) -> bool:
        return c.n in view.open and c.burst and c.owner == e.n and c.n not in view.claims and not view.cancelling(c.n)

    return next(filter(is_next, view.commands), None)


def frame_entry(frame: Frame, e: Exec) -> Entry:
    return Entry("frame", f"frame:{frame.number}", owner=e.n, frame=frame, epoch=e.epoch)


# --- plan and answer -------------------------------------------------------------------------------------------------


def due(case: Case, view: View, e: Exec) -> bool:
    """Whether this delivery has to plan before it may answer."""
    if stale(case, view, e) or view.final or view.broken:
        return False
    if case.rules.answer_snapshot:
        return bool(view.facts)
    return any(fact.seq <= e.mine for fact in view.facts)


def plans(case: Case, state: State, e: Exec) -> Iterator[Move]:
    view, where = state.log.view, (e.n, e.delivery, e.d)
    if state.faults.render:
        yield Move(("render fails", *where), partial(render_fails, state, e), "fault")
    if not case.rules.plan_cas:
        yield Move(("read", *where), partial(put, state, e._replace(pc="write", seen=len(state.log))))
        return
    for seq in sorted({fact.seq for fact in view.facts if fact.seq >= e.mine} | {view.seq}):
        if state.log.at(seq).view.frames == view.frames:
            yield Move(("plan", seq, *where), partial(write, case, state, e._replace(seen=seq)))
            if e.alone:
                yield Move(("plan+burst", seq, *where), partial(write, case, state, e._replace(seen=seq), goes_on=True))


def render_fails(state: State, e: Exec) -> State:
    entry = Entry("render_failed", f"render_failed:{len(state.log)}", epoch=e.epoch)
    return put(state._replace(faults=state.faults.use("render")), e, append(state.log, entry)[0])


def write(case: Case, state: State, e: Exec, *, goes_on: bool = False) -> State:
    """Stores what the log led to when it was `seen` long."""
    seen, view = state.log.at(e.seen).view, state.log.view
    back = e._replace(pc="plan", seen=0, alone=e.alone and not goes_on)
    frame = plan(case, seen, e.n)
    if frame is None or stale(case, view, e) or view.final or view.broken:
        return put(state, back)
    if view.frames != seen.frames:
        if case.rules.plan_cas:
            return put(state, back)
        frame = renumbered(frame, view)
    log = state.log.add(frame_entry(frame, e))
    goes_on = goes_on or not (case.rules.burst_in_one or e.n == 0)
    following = next_of_burst(log.view, e) if goes_on else None
    return put(state, back, log) if following is None else begin(state, back, log, following)


def renumbered(frame: Frame, view: View) -> Frame:
    """What a store without the compare and set would take."""
    first = len(view.commands) + 1
    commands = tuple(c._replace(n=first + i) for i, c in enumerate(frame.commands))
    return frame._replace(number=view.frames + 1, commands=commands)


def answer(case: Case, state: State, e: Exec) -> State:
    """Reads what to return and completes the activity, if the server still listens to this delivery."""
    found = reply(case, state.log.view, e)
    acts = tuple(a._replace(phase="answered", answer=found) if is_listened_to(a, e) else a for a in state.acts)
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
