"""Why pending nodes do not begin: other nodes, a cap, a budget; each as a reason that people and programs read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, TypeVar

from smithers.engine.answer import listed
from smithers.engine.entry import Json
from smithers.engine.frame import NodeRow
from smithers.views.asking import how_to_answer
from smithers.views.nodes import how_to_look, named, shown_iteration
from smithers.views.reasons import Reason
from smithers.views.signals import send_command
from smithers.views.standing import Account, Cap, Share, Standing, around
from smithers.views.times import now_ms, span

MOST_NAMED: Final = 5
"""Nodes that a text names; programs get all."""
T = TypeVar("T")


def held_node(standing: Standing, row: NodeRow) -> list[Reason]:
    """All that keeps one pending node from beginning; never empty."""
    found = [*dependencies(standing, row), *predecessors(standing, row)]
    if not found and (cap := standing.full(row)) is not None:
        return [one_in_line(standing, row, cap)]
    if not found and (account := standing.short(row)) is not None:
        return [unfunded(standing, row, account)]
    return found or [unknown(standing, row)]


def held_back(standing: Standing) -> Iterator[Reason]:
    """What caps and budgets hold back in a run: one reason for each cap, one for each task that wants too much."""
    lines: dict[Cap, list[NodeRow]] = {}
    for row in standing.pending:
        if standing.is_free(row):
            cap = standing.full(row)
            if cap is not None:
                lines.setdefault(cap, []).append(row)
            elif (account := standing.short(row)) is not None:
                yield unfunded(standing, row, account)
    for cap, rows in lines.items():
        yield whole_line(standing, cap, rows)


# other nodes


def dependencies(standing: Standing, row: NodeRow) -> Iterator[Reason]:
    unmet = standing.unmet(row)
    if unmet:
        text = f"{name(row)} depends on {listed(few(unmet, lambda need: told_need(standing, *need)))}."
        data: Json = {"dependsOn": [{"nodeId": id} if other is None else node_ref(other) for id, other in unmet]}
        known = [other for _, other in unmet if other is not None]
        end = "that node ends" if len(unmet) == 1 else "all of them end"
        yield reason("dependency", row, text, end, look(standing, known), data)


def told_need(standing: Standing, id: str, row: NodeRow | None) -> str:
    if row is None:
        return f"{id}, which is not in the tree yet"
    if row.state == "unmounted":
        return f"{name(row)}, which has left the tree"
    return told(standing, row) if row.state != "finished" else f"{name(row)} (finished, but its loop goes on)"


def predecessors(standing: Standing, row: NodeRow) -> Iterator[Reason]:
    named_before = [other for _, other in standing.unmet(row)]
    before = [one for one in standing.before(row) if one not in named_before]
    if before:
        text = f"{name(row)} comes after {listed(few(before, lambda one: told(standing, one)))}."
        end = "that node ends" if len(before) == 1 else "all of them end"
        begun = [one for one in before if one.state != "pending"]
        data: Json = {"after": [node_ref(one) for one in before]}
        yield reason("order", row, text, end, look(standing, [*begun, *before]), data)


def unknown(standing: Standing, row: NodeRow) -> Reason:
    """A part before it has not rendered, or the row is of an older version."""
    at_work = [one for one in standing.rows if one.state != "pending" and one.state.startswith(("waiting", "running"))]
    text = f"{name(row)} has not had its turn: something that comes before it is not over or has not rendered yet."
    text += f"\nAt work or waiting now: {listed(few(at_work, lambda one: told(standing, one)))}." if at_work else ""
    run = standing.run.run_id
    return reason("order", row, text, "the run gets that far", f"smithers why {run}", {"after": []})


# caps


def one_in_line(standing: Standing, row: NodeRow, cap: Cap) -> Reason:
    line = standing.line(cap)
    place = line.index(row) if row in line else len(line)
    ahead = line[:place]
    told_place = f"{len(ahead)} before it: {', '.join(few(ahead, name))}" if ahead else "it is next"
    text = f"{name(row)} waits for a slot in {cap.told}; {told_place}."
    return slot(standing, row, cap, text, {"before": [node_ref(one) for one in ahead]})


def whole_line(standing: Standing, cap: Cap, line: list[NodeRow]) -> Reason:
    waits = "waits" if len(line) == 1 else "wait"
    text = f"{listed(few(line, name))} {waits} for a slot in {cap.told}."
    return slot(standing, line[0], cap, text, {"waiting": [node_ref(one) for one in line]})


def slot(standing: Standing, row: NodeRow, cap: Cap, text: str, more: Json) -> Reason:
    holders = standing.holders(cap)
    lines = [f"\n{line} has a slot." for line in few(holders, lambda one: told(standing, one))]
    end = "a task in it ends" + ("" if cap.kind != "run" else "; `smithers up --max-concurrency` sets it at the start")
    data: Json = {"cap": cap.wire(), "holders": [node_ref(one) for one in holders]} | more
    return reason("cap", row, text + "".join(lines), end, look(standing, holders), data)


# budgets


def unfunded(standing: Standing, row: NodeRow, account: Account) -> Reason:
    mine = around(row)["reserves"][account.kind == "nano_usd"]
    of = f"{account.shown(account.limit)} of Aspects {account.name!r}"
    text = (
        f"{name(row)} waits for {'tokens' if account.kind == 'tokens' else 'money'}: it reserves "
        f"{account.shown(mine)}, and of the {of} {account.shown(account.spent)} are spent and "
        f"{account.shown(account.reserved)} reserved by others; {account.shown(account.free)} are free."
    )
    shares = [share for share in account.shares if share.amount]
    text += "".join(f"\n{line}." for line in few(shares, lambda one: told_share(standing, account, one)))
    budget: Json = {"aspects": account.name, "kind": "tokens" if account.kind == "tokens" else "cost"}
    amounts = {"limit": account.limit, "spent": account.spent, "reserved": account.reserved, "needs": mine}
    budget |= {what: account.number(amount) for what, amount in amounts.items()}
    held: Json = {"holders": [node_ref(one.row) | {"reserved": account.number(one.amount)} for one in shares]}
    end = "one of them ends: what it has not used is free again"
    return reason("budget", row, text, end, look(standing, [one.row for one in shares]), {"budget": budget} | held)


def told_share(standing: Standing, account: Account, share: Share) -> str:
    return f"{told(standing, share.row)} has reserved {account.shown(share.amount)}"


# words


def reason(kind: str, row: NodeRow, text: str, unblock: str, command: str, data: Json) -> Reason:
    return Reason(kind, text, 0, unblock, command, row.node, row.iteration, data)


def name(row: NodeRow) -> str:
    return named(row.node, row.iteration)


def told(standing: Standing, row: NodeRow) -> str:
    """`build (running for 5s)`."""
    if row.state != "running":
        return f"{name(row)} ({row.state})"
    begun_ms, due_ms = standing.begun_ms(row), standing.due_ms(row)
    if begun_ms:
        return f"{name(row)} (running for {span(now_ms() - begun_ms)})"
    left = due_ms - now_ms()
    return f"{name(row)} ({f'to be tried again in {span(left)}' if left > 0 else 'ready, and waits for a worker'})"


def few(rows: Sequence[T], words: Callable[[T], str]) -> list[str]:
    """The first of them in words; the rest is counted."""
    more = len(rows) - MOST_NAMED
    return [*(words(row) for row in rows[:MOST_NAMED]), *([f"{more} more"] if more > 0 else [])]


def node_ref(row: NodeRow) -> Json:
    return {"nodeId": row.node, "iteration": shown_iteration(row.iteration), "state": row.state}


def look(standing: Standing, rows: Iterable[NodeRow]) -> str:
    """The command that brings the first of them on, where that is known, or that says more of it."""
    first = next(iter(rows), None)
    if first is None:
        return ""
    match first.state:
        case "waiting-approval":
            return how_to_answer(standing.run.run_id, first)
        case "waiting-event":
            return send_command(standing.run.run_id, first.detail)
        case _:
            return how_to_look(standing.run.run_id, first)
