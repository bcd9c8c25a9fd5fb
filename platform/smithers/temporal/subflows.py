"""Child runs, from the parent's side: a step starts one, or tells it to stop; whoever ends it rings the parent.

Neither step runs the author's code, and both may be delivered any number of times. The command of a subflow stays open
when its step has answered: the child's last frame closes it, in the transaction that ends the child (`Told`). So no
process and no workflow of Temporal waits for a child, and nothing is lost with one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from smithers.engine.command import Command
from smithers.engine.entry import Fact, Json, OpenRun
from smithers.engine.state import CONTINUED, PAUSED
from smithers.engine.subflows import child_id, refusal
from smithers.errors import RunExists
from smithers.store.records import Append, Launch, NewRun, Run
from smithers.store.successors import current, following, root_launched
from smithers.temporal import facts
from smithers.temporal.attempt import claimant
from smithers.temporal.claims import read_claims
from smithers.temporal.order import Order
from smithers.temporal.priorities import SHARES

if TYPE_CHECKING:
    from smithers.store.interface import Store
    from smithers.temporal.workshop import Delivery, Workshop

INHERITED = ("max_in_flight", "priority", "queues")
"""Options of a run that its child runs have, too."""


def launch(shop: Workshop, order: Order, delivery: Delivery, command: Command) -> None:
    """Starts the child run of a `subflow` command, and rings it."""
    refused = refusal(command.node, command.payload or {})
    if refused is not None:
        fail(shop, order, command, refused)
        return
    again = int((command.payload or {}).get("again") or 0)
    goes_on = child_of(order.run, command, again) if again else ""
    if again:
        earlier = shop.store.entries_by_key(order.run, f"claim:{command.node}:{command.iteration}:a{again}:1")
        goes_on = earlier[0].data["run"] if earlier else goes_on
    request = Launch(
        new_child(shop.store.run(order.run), command), command, order.epoch, goes_on, claimant(order, delivery)
    )
    try:
        launched = shop.store.launch(request)
    except RunExists as error:
        fail(shop, order, command, {**error.wire(), "retryable": False})
        return
    if launched.run_id and not launched.is_over:
        shop.ring(launched.run_id)
    elif not launched.run_id and shop.store.run(order.run).status == PAUSED:
        put_back = facts.settled(command, 0, "the run is paused")
        shop.store.append(Append(order.run, (put_back,), epoch=order.epoch))


def fail(shop: Workshop, order: Order, command: Command, error: Json) -> None:
    """Ends the node without a child."""
    ended = facts.ended(command, {"outcome": "failed", "error": error, "ms": 0})
    shop.store.append(Append(order.run, (ended,), epoch=order.epoch))


def child_of(run_id: str, command: Command, attempt: int = 0) -> str:
    return child_id(run_id, command.node, command.iteration, attempt or command.attempt)


def new_child(parent: Run, command: Command) -> NewRun:
    """The child as it would be made: pinned to its parent's code, in which `entry` names its workflow."""
    about: Json = command.payload or {}
    options: Json = {name: parent.options[name] for name in INHERITED if name in parent.options}
    options |= {SHARES: parent.options.get(SHARES, parent.run_id)}
    options |= {"entry": about["entry"]} | ({"timeout_ms": about["timeout_ms"]} if about["timeout_ms"] else {})
    link: Json = {
        "run": parent.run_id,
        "node": command.node,
        "iteration": command.iteration,
        "depth": about["depth"],
    }
    return NewRun(
        child_of(parent.run_id, command),
        about["workflow"],
        about["input"],
        parent.digest,
        parent.source,
        options,
        parent=link,
    )


def stop(shop: Workshop, order: Order, command: Command) -> None:
    """Cancels the child of the command that a `stop` command is for; without a child it never gets one."""
    target, is_open = shop.store.command(order.run, command.target)
    while is_open:
        launched = read_claims(shop.store, order.run, target.command)
        if launched:
            cancel(shop, root_launched(launched[-1]), order.run, command.node)
            return
        never = facts.ended(target.command, {"outcome": "cancelled", "ms": 0})
        needs = facts.newest(target.command, 0)
        fact = Fact(never.kind, never.key, never.data, needs)
        shop.store.append(Append(order.run, (fact,), epoch=order.epoch))
        target, is_open = shop.store.command(order.run, command.target)


def cancel(shop: Workshop, child: str, parent: str, node: str) -> None:
    """Asks a child run to end. It cleans up first, and says to its parent when it is over."""
    why = f"its parent {parent} does not want {node!r} any more"
    fact = Fact("cancel", "cancel", {"by": "its parent", "reason": why}, OpenRun())
    run = current(shop.store, parent, child)
    while shop.store.append(Append(run.run_id, (fact,))).outcomes[0] == "rejected":
        following = current(shop.store, parent, child)
        if following.run_id == run.run_id:  # it is over
            break
        run = following
    shop.ring(run.run_id)


def is_unheard(store: Store, run: Run, command: Command) -> bool:
    """Whether nobody has carried out a `stop`: its child goes on as if nothing had happened."""
    target, is_open = store.command(run.run_id, command.target)
    launched = read_claims(store, run.run_id, target.command) if is_open else []
    if not is_open or not launched:
        return is_open
    child = current(store, run.run_id, root_launched(launched[-1]))
    return not store.entries_by_key(child.run_id, "cancel")


def ring_onward(shop: Workshop, run_id: str, status: str) -> None:
    """After a run is over: rings its parent, or the run that goes on for it. A bell that gets lost is the sweeper's."""
    if status == CONTINUED:
        shop.ring(following(shop.store, run_id))
        return
    parent = shop.store.run(run_id).parent
    if parent is not None:
        shop.ring(parent["run"])
