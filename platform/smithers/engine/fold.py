"""Folds entries into a state, one function per kind of entry.

A fold knows nothing of the author's tree: which failure is final, which loop is over, what comes next is decided by a
plan and written into its frame, and only what the frame says is folded. So a state can be read by code that does not
have the workflow, and frames written by older code keep their meaning. Facts about a node commute with frames that
start other nodes; that is why a frame may stand behind a fact which it did not cover.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from smithers.engine.answer import output_of
from smithers.engine.command import ESCALATION, STOPPING
from smithers.engine.entry import Entry, Json, Kind, node_key, split_node_key, taken_from
from smithers.engine.state import PAUSED, TURN_GIVEN, TURN_WANTED, NodeMemory, State, path_of
from smithers.flow.usage import Usage

Started = tuple[int, str, str, str, int, int]
"""A command as a frame records it: number, kind, node, iteration, attempt, target."""
VERSION: Final = 12
"""Of this fold: snapshots made by another one are not used."""
UNPLANNED_KINDS: Final[frozenset[Kind]] = frozenset(
    {
        "started",
        "admitted",
        "ended",
        "decided",
        "fired",
        "reminded",
        "escalated",
        "cancel",
        "settled",
        "follow",
        "resumed",
        "retried",
        "redriven",
        "signal",
        "unpaused",
        "amended",
    }
)
"""Facts that ask for a plan. Claims, deaths and hand-overs do not change what comes next."""


def fold(state: State, entries: Iterable[Entry]) -> State:
    """Applies entries in order, in place, and returns the state. Entries must follow `state.position`."""
    for entry in entries:
        state.position = entry.seq
        state.last_ms = entry.at_ms
        if entry.kind in UNPLANNED_KINDS:
            state.last_fact = entry.seq
        how = FOLDS.get(entry.kind)
        if how is not None:
            how(state, entry.data)
    return state


def started(state: State, data: Json) -> None:
    state.input = data["input"]
    state.digest = data.get("digest", "")
    state.options = data.get("options") or {}
    state.parent = data.get("parent")
    state.continues = data.get("continues")


def carried(state: State, data: Json) -> None:
    state.carried = data["payload"]


def frame(state: State, data: Json) -> None:
    state.frames = data["number"]
    state.planned = data["covers"]
    state.status = data.get("status", state.status)
    for command in data.get("commands", ()):
        start_command(state, command)
    for n in data.get("closed", ()):
        close(state, n)
    for n in data.get("disarmed", ()):
        disarm(state, n)
    for key, news in data.get("asks", {}).items():
        ask_anew(state, key, news)
    for key, output in data.get("outputs", {}).items():
        if not state.memory(key).has_output:
            produce(state, key, output)
    for key, error in data.get("failures", {}).items():
        fail(state, key, error)
    state.loops.update(data.get("loops", {}))
    state.ended_loops.update(data.get("ended_loops", {}))
    state.stages.update(data.get("stages", {}))
    state.failing.update(data.get("failing", {}))
    state.homes.update(data.get("homes", {}))
    state.absent.update(data.get("absent", {}))
    for key, (event, correlation) in data.get("waits", {}).items():
        memory = state.memory(key)
        memory.waits, memory.since = (event, correlation), data["number"]
    for key, why in data.get("unfit", {}).items():
        state.memory(key).unfit.update((int(seq), text) for seq, text in why.items())
    budgets(state, data)
    for key, how in data.get("events", {}).items():
        resolve(state, key, how)
    for key, shown in data.get("nodes", {}).items():
        show(state, key, shown)
    hand_over(state, data.get("handover"))


def hand_over(state: State, how: Json | None) -> None:
    """Nothing begins from here on, unless it is None. A second time it does nothing."""
    if how is not None:
        state.handover = how
        state.memory(node_key(how["node"], how["iteration"])).outcome = "finished"


def budgets(state: State, data: Json) -> None:
    for key, charge in data.get("charges", {}).items():
        state.memory(key).charge = charge
    for key, error in data.get("refused", {}).items():
        state.memory(key).error = error
    state.exceeded.update(data.get("exceeded", {}))


def start_command(state: State, command: Started) -> None:
    n, kind, node, iteration, attempt, target = command
    state.commands = max(state.commands, n)
    if kind in STOPPING:
        state.open_other[n] = target
        key = state.by_command.get(target)
        if key is not None:
            state.nodes[key].cancelling = True
    elif kind in ("complete", "fail"):
        state.open_other[n] = 0
    elif kind == "timer" and attempt:
        arm(state, n, node_key(node, iteration), attempt, target)
    elif kind in ("run", "child", "timer", "subflow", "turn"):
        key = node_key(node, iteration)
        memory = state.memory(key)
        if attempt != memory.attempt:
            memory.deaths = 0
        memory.n, memory.attempt, memory.cancelling = n, attempt, False
        memory.timer, memory.child = kind == "timer", kind == "subflow"
        memory.returned, memory.goes_on = None, 0
        memory.turn = TURN_WANTED if kind == "turn" else memory.turn
        if memory.decision is not None and memory.decision.get("expired"):
            memory.decision = {**memory.decision, "approved": True}  # its author lets it begin then
        state.by_command[n] = key


def show(state: State, key: str, shown: str) -> None:
    """Skips and cancellations are decided by plans, and how a wait for an event ends; every other final state comes
    from a fact."""
    memory = state.memory(key)
    memory.shown = shown
    if not memory.n and shown not in ("waiting-queue", "running"):
        memory.turn = ""
    if shown in ("skipped", "cancelled"):
        memory.outcome = shown
    elif shown == "unmounted":
        memory.waits, memory.since, memory.expired = None, 0, 0
    elif shown == "pending" and memory.outcome in ("skipped", "cancelled"):
        memory.outcome = ""


def resolve(state: State, key: str, how: Json) -> None:
    """Ends a wait for an event, as the frame says: with a `signal`, or by `timeout`. A second time it does nothing."""
    memory = state.memory(key)
    seq = how.get("signal", 0)
    if seq and not memory.has_output:
        memory.signal = seq
        produce(state, key, given(take_signal(state, how["name"], seq).get("payload")))
    elif how.get("timeout") == "continue" and not memory.has_output:
        produce(state, key, {})
    elif how.get("timeout") == "fail" and memory.error is None:
        memory.error = how["error"]
        memory.failures += 1
    memory.waits, memory.expired = None, 0


def given(payload: Any) -> Any:
    """An event without a payload is one with an empty object."""
    return {} if payload is None else payload


def take_signal(state: State, name: str, seq: int) -> Json:
    kept = state.signals.get(name, {})
    taken = kept.pop(seq, {})
    if not kept:
        state.signals.pop(name, None)
    return taken


def ended(state: State, data: Json) -> None:
    key = node_key(data["node"], data["iteration"])
    memory = state.memory(key)
    close(state, data.get("n", 0))
    memory.ended = max(memory.ended, data["attempt"])
    if "usage" in data:
        use(state, memory, Usage.read(data["usage"]))
    match data["outcome"]:
        case "finished" if "run" in data:
            memory.returned = [data.get("output"), data["run"]]
        case "cancelled" if "error" in data and not memory.cancelling:
            fail(state, key, data["error"])
        case "finished":
            memory.cached = taken_from(data)
            produce(state, key, data.get("output"))
        case "cancelled":
            memory.outcome = "cancelled"
        case _:
            memory.error = data.get("error") or {"code": "TASK_FAILED", "message": "no reason was stored"}
            memory.failures += 1


def fail(state: State, key: str, error: Json) -> None:
    """A second time it does nothing."""
    memory = state.memory(key)
    memory.returned = None
    if memory.error is None:
        memory.error = error
        memory.failures += 1


def more(known: list[int] | None, usage: Usage) -> list[int]:
    total = usage + Usage(*known or ())
    return [total.input_tokens, total.output_tokens, total.nano_usd]


def use(state: State, memory: NodeMemory, usage: Usage) -> None:
    memory.usage, state.used = more(memory.usage, usage), more(state.used, usage)
    for scope in memory.charge[0] if memory.charge else ():
        tokens, nano = state.spent.get(scope, (0, 0))
        state.spent[scope] = [tokens + usage.tokens, nano + usage.nano_usd]


def produce(state: State, key: str, output: Any) -> None:
    memory = state.memory(key)
    memory.returned = None
    memory.outcome, memory.output, memory.has_output = "finished", output, True
    memory.error = None
    node, iteration = split_node_key(key)
    path = path_of(iteration)
    state.counts[node] = state.counts.get(node, 0) + 1
    for length in range(len(path) + 1):
        prefix = (node, path[:length])
        state.finished[prefix] = max(state.finished.get(prefix, path), path)


def decided(state: State, data: Json) -> None:
    key = node_key(data["node"], data["iteration"])
    state.memory(key).decision = data
    output = output_of(data)
    if output is not None:
        produce(state, key, output)


def rejected(state: State, data: Json) -> None:
    """An answer that did not fit counts; other rejected facts change nothing."""
    if data.get("counts"):
        state.memory(node_key(data["node"], data["iteration"])).refusals += 1


def ask_anew(state: State, key: str, news: Json) -> None:
    """A plan has looked at an answer and not taken it. A denial was an output until then."""
    memory = state.memory(key)
    if memory.has_output:
        ask_again(state, key)
    memory.decision = None
    memory.refusals, memory.complaint, memory.error = news["refusals"], news["complaint"], news.get("error")
    begin_ask(memory, news["ask"])


def begin_ask(memory: NodeMemory, ask: int) -> None:
    """What was done about an earlier question does not count for this one."""
    memory.ask, memory.reminded, memory.escalated = ask, 0, False


def arm(state: State, n: int, key: str, ask: int, which: int) -> None:
    setattr(state.memory(key), clock(which), n)
    state.clocks[n] = key, ask, which


def disarm(state: State, n: int) -> None:
    key, _, which = state.clocks.pop(n, ("", 0, 0))
    if key and getattr(state.nodes[key], clock(which)) == n:
        setattr(state.nodes[key], clock(which), 0)


def clock(which: int) -> str:
    """Where a node's memory has the number of its timer."""
    return "escalation" if which == ESCALATION else "reminder" if which else "expiry"


def reminded(state: State, data: Json) -> None:
    disarm(state, data["n"])
    memory = state.memory(node_key(data["node"], data["iteration"]))
    if memory.ask == data["ask"]:
        memory.reminded = data["nth"]


def escalated(state: State, data: Json) -> None:
    disarm(state, data["n"])
    memory = state.memory(node_key(data["node"], data["iteration"]))
    memory.escalated = memory.escalated or memory.ask == data["ask"]


def fired(state: State, data: Json) -> None:
    """Of a wait for an event it is the deadline: what that means is for the next plan to say."""
    if data["n"] in state.clocks:
        disarm(state, data["n"])
        memory = state.memory(node_key(data["node"], data["iteration"]))
        memory.decision = {"approved": False, "by": None, "note": None, "expired": True}
        return
    close(state, data["n"])
    memory = state.memory(node_key(data["node"], data["iteration"]))
    if memory.waits is not None:
        memory.expired = state.position
    elif not memory.outcome:  # else an event came first, in a plan whose frame stands behind this
        produce(state, node_key(data["node"], data["iteration"]), {})


def settled(state: State, data: Json) -> None:
    """The command will never be answered: a cancelled one is over, any other is to be done again."""
    disarm(state, data["n"])
    key = state.by_command.get(data["n"])
    if key is not None and state.nodes[key].cancelling:
        state.nodes[key].outcome = "cancelled"
    close(state, data["n"])


def close(state: State, n: int) -> None:
    key = state.by_command.pop(n, None)
    if key is not None and state.nodes[key].n == n:
        state.nodes[key].n, state.nodes[key].turn = 0, ""
    state.open_other.pop(n, None)


def admitted(state: State, data: Json) -> None:
    """Its turn has come: the next plan starts it."""
    key = state.by_command.get(data["n"])
    close(state, data["n"])
    if key is not None:
        state.nodes[key].turn = TURN_GIVEN


def hand_back(state: State, _: Json) -> None:
    """Nothing begins for a while. Turns that were given and not taken are over; who wants one asks anew."""
    for memory in state.nodes.values():
        if memory.turn == TURN_GIVEN and not memory.n:
            memory.turn = ""


def signal(state: State, data: Json) -> None:
    state.signals.setdefault(data["name"], {})[state.position] = data


def cancel(state: State, data: Json) -> None:
    state.cancelled = data
    go_on(state)


def paused(state: State, data: Json) -> None:
    state.paused, state.status = data, PAUSED
    hand_back(state, data)


def unpaused(state: State, _: Json) -> None:
    go_on(state)


def go_on(state: State) -> None:
    """Ends a pause. What the run waits for besides, the next frame says."""
    if state.paused is not None:
        state.paused, state.status = None, "running"


def died(state: State, data: Json) -> None:
    memory = state.memory(node_key(data["node"], data["iteration"]))
    if data["attempt"] == memory.attempt:
        memory.deaths += 1


def follow(state: State, data: Json) -> None:
    state.digest = data["digest"]


def amended(state: State, data: Json) -> None:
    state.input = data["input"]


def resumed(state: State, _: Json) -> None:
    """Opens what had failed or was cancelled, denied approvals among it; outputs stay. Budgets count anew."""
    state.status = "running"
    state.spent.clear()
    state.used = None
    state.exceeded.clear()
    state.failing.clear()
    state.cancelled = None
    if state.handover is not None:
        state.memory(node_key(state.handover["node"], state.handover["iteration"])).outcome = ""
        state.handover = None
    for key, memory in state.nodes.items():
        denied = memory.decision is not None and memory.shown == "failed"
        killed = not memory.outcome and memory.deaths > 0
        memory.goes_on = memory.attempt if has_failed_child(memory) else 0
        if memory.outcome == "cancelled" or memory.error is not None or killed or denied:
            reopen(state, key)
    for key, record in state.stages.items():
        if "back" in record:
            state.stages[key] = record["back"]


def has_failed_child(memory: NodeMemory) -> bool:
    """Whether it is the child run that has failed, and not what the parent made of its output."""
    return memory.child and "run_id" in ((memory.error or {}).get("data") or {})


def retried(state: State, data: Json) -> None:
    """Opens a node again; or resets it and others, as `engine/rerun.py` says: then `reset` has their keys."""
    state.failing.clear()  # what still fails, the next plan finds
    if "reset" not in data:
        reopen(state, node_key(data["node"], data["iteration"]))
        return
    for key in reset_keys(data):
        reset(state, key)
    for n in data["closed"]:
        disarm(state, n)
        close(state, n)
    state.absent = dict(data["absent"])
    if "stages" in data:
        state.loops, state.ended_loops = dict(data["loops"]), dict(data["ended_loops"])
        state.stages = dict(data["stages"])


def reset_keys(data: Json) -> list[str]:
    return data.get("reset") or [node_key(data["node"], data["iteration"])]


def reset(state: State, key: str) -> None:
    """As if the node had never run, but that its attempts and questions are counted on."""
    memory = state.memory(key)
    if memory.decision is not None or memory.shown == "waiting-approval":
        begin_ask(memory, memory.ask + 1)
    memory.decision, memory.outcome, memory.signal, memory.shown = None, "", 0, "pending"
    memory.returned, memory.goes_on = None, 0
    memory.turn = ""
    withdraw(state, key)
    reopen(state, key)
    memory.ended = memory.attempt


def reopen(state: State, key: str) -> None:
    memory = state.memory(key)
    if memory.decision is not None and not memory.decision["approved"]:
        ask_again(state, key)
    memory.refusals, memory.complaint = 0, ""
    if memory.deaths:
        memory.ended = memory.attempt  # what runs next is a new attempt: deaths are claims of one
    if memory.outcome != "finished":
        memory.outcome = ""
    memory.error, memory.failures, memory.deaths = None, 0, 0
    memory.waits, memory.since, memory.expired = None, 0, 0
    state.absent.pop(key, None)


def ask_again(state: State, key: str) -> None:
    """Takes a denial back, and the output that it was."""
    memory = state.memory(key)
    memory.decision, memory.outcome = None, ""
    begin_ask(memory, memory.ask + 1)
    withdraw(state, key)


def withdraw(state: State, key: str) -> None:
    """Takes an output back, if there is one."""
    memory = state.memory(key)
    had_output = memory.has_output
    memory.output, memory.has_output = None, False
    if not had_output:
        return
    node, iteration = split_node_key(key)
    state.counts[node] -= 1
    others = [path_of(turn) for name, turn in map(split_node_key, outputs(state)) if name == node]
    path = path_of(iteration)
    for prefix in (path[:length] for length in range(len(path) + 1)):
        left = [other for other in others if other[: len(prefix)] == prefix]
        state.finished.pop((node, prefix), None)
        if left:
            state.finished[node, prefix] = max(left)


def outputs(state: State) -> Iterator[str]:
    """Keys of the nodes that have one."""
    return (key for key, memory in state.nodes.items() if memory.has_output)


FOLDS: Final[dict[str, Callable[[State, Json], None]]] = {
    "started": started,
    "carried": carried,
    "admitted": admitted,
    "render_failed": hand_back,
    "frame": frame,
    "ended": ended,
    "decided": decided,
    "rejected": rejected,
    "fired": fired,
    "reminded": reminded,
    "escalated": escalated,
    "signal": signal,
    "settled": settled,
    "cancel": cancel,
    "paused": paused,
    "unpaused": unpaused,
    "died": died,
    "follow": follow,
    "amended": amended,
    "resumed": resumed,
    "retried": retried,
}
