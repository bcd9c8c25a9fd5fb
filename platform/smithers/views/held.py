"""Why pending nodes do not begin: other nodes, a cap, a budget; each as a reason that people and programs read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from smithers.engine.answer import listed
from smithers.engine.entry import Json
from smithers.engine.frame import NodeRow
from smithers.views.nodes import named, shown_iteration
from smithers.views.reasons import Reason
from smithers.views.standing import Account, Cap, Standing, around
from smithers.views.times import now_ms, span

MOST_NAMED: Final = 5
"""Nodes that a text names; programs get all."""
RUNNING: Final = ("running", "cancelling")


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
        told = listed(few([told_need(id, other) for id, other in unmet]))
        text = f"{name(row)} depends on {told}."
        data: Json = {"dependsOn": [{"nodeId": id} if other is None else node_ref(other) for id, other in unmet]}
        known = [other for _, other in unmet if other is not None]
        end = "that ends" if len(unmet) == 1 else "all of them end"
        yield reason("dependency", row, text, end, look(standing, known), data)


def told_need(id: str, row: NodeRow | None) -> str:
    if row is None:
        return f"{id}, which is not in the tree yet"
    if row.state == "unmounted":
        return f"{name(row)}, which has left the tree"
    return told(row) if row.state != "finished" else f"{name(row)} (finished, but its loop goes on)"


def predecessors(standing: Standing, row: NodeRow) -> Iterator[Reason]:
    before = standing.before(row)
    if before:
        text = f"{name(row)} comes after {listed(few([told(one) for one in before]))}."
        end = "that ends" if len(before) == 1 else "all of them end"
        begun = [one for one in before if one.state != "pending"]
        data: Json = {"after": [node_ref(one) for one in before]}
        yield reason("order", row, text, end, look(standing, [*begun, *before]), data)


def unknown(standing: Standing, row: NodeRow) -> Reason:
    """A part before it has not rendered, or the row is of an older version."""
    at_work = [one for one in standing.rows if one.state != "pending" and one.state.startswith(("waiting", "running"))]
    text = f"{name(row)} has not had its turn: something that comes before it is not over or has not rendered yet."
    text += f"\nAt work or waiting now: {listed(few([told(one) for one in at_work]))}." if at_work else ""
    run = standing.run.run_id
    return reason("order", row, text, "the run gets that far", f"smithers why {run}", {"after": []})


# caps


def one_in_line(standing: Standing, row: NodeRow, cap: Cap) -> Reason:
    line = standing.line(cap)
    place = line.index(row) if row in line else len(line)
    ahead = line[:place]
    told_place = f"{len(ahead)} before it: {', '.join(few([name(one) for one in ahead]))}" if ahead else "it is next"
    text = f"{name(row)} waits for a slot in {cap.told}; {told_place}."
    return slot(standing, row, cap, text, {"before": [node_ref(one) for one in ahead]})


def whole_line(standing: Standing, cap: Cap, line: list[NodeRow]) -> Reason:
    waits = "waits" if len(line) == 1 else "wait"
    text = f"{listed(few([name(one) for one in line]))} {waits} for a slot in {cap.told}."
    return slot(standing, line[0], cap, text, {"waiting": [node_ref(one) for one in line]})


def slot(standing: Standing, row: NodeRow, cap: Cap, text: str, more: Json) -> Reason:
    holders = standing.holders(cap)
    lines = [f"\n{line} has a slot." for line in few([told(one) for one in holders])]
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
    text += "".join(few([f"\n{told(share.row)} has reserved {account.shown(share.amount)}." for share in shares]))
    budget: Json = {"aspects": account.name, "kind": "tokens" if account.kind == "tokens" else "cost"}
    amounts = {"limit": account.limit, "spent": account.spent, "reserved": account.reserved, "needs": mine}
    budget |= {what: account.number(amount) for what, amount in amounts.items()}
    held: Json = {"holders": [node_ref(one.row) | {"reserved": account.number(one.amount)} for one in shares]}
    end = "one of them ends: what it has not used is free again"
    return reason("budget", row, text, end, look(standing, [one.row for one in shares]), {"budget": budget} | held)


# words


def reason(kind: str, row: NodeRow, text: str, unblock: str, command: str, data: Json) -> Reason:
    return Reason(kind, text, 0, unblock, command, row.node, row.iteration, data)


def name(row: NodeRow) -> str:
    return named(row.node, row.iteration)


def told(row: NodeRow) -> str:
    """`build (running for 5s)`."""
    since = f" for {span(now_ms() - row.first_ms)}" if row.first_ms and row.state in RUNNING else ""
    return f"{name(row)} ({row.state}{since})"


def few(texts: list[str]) -> list[str]:
    more = len(texts) - MOST_NAMED
    return texts if more <= 0 else [*texts[:MOST_NAMED], f"{more} more"]


def node_ref(row: NodeRow) -> Json:
    return {"nodeId": row.node, "iteration": shown_iteration(row.iteration), "state": row.state}


def look(standing: Standing, rows: Iterable[NodeRow]) -> str:
    """The command that says more of the first of them."""
    first = next(iter(rows), None)
    if first is None:
        return ""
    turn = f" --iteration {first.iteration}" if first.iteration else ""
    return f"smithers node {first.node} --run-id {standing.run.run_id}{turn}"
