"""What the `human` commands share: which request is meant."""

from __future__ import annotations

from typing import Annotated

import typer

from smithers.cli.deciding import target
from smithers.cli.session import Session
from smithers.engine.entry import Entry, Json
from smithers.engine.frame import NodeRow
from smithers.errors import InputError
from smithers.store.records import Run
from smithers.views.asking import PREFIX, title_of
from smithers.views.nodes import named, shown_iteration
from smithers.views.times import iso

RequestArgument = Annotated[
    str | None,
    typer.Argument(metavar="[REQUEST]", help="Request id from `human inbox`, or a run. Default: the newest run."),
]
NodeArgument = Annotated[str | None, typer.Argument(metavar="[NODE]", help="Where a run is given: which node of it.")]


def told_act(here: Session, run: Run, row: NodeRow, entry: Entry, around: tuple[str, str]) -> None:
    """Says what somebody has done about a request that stays open. `around` stands around what it is."""
    if not here.out.is_json:
        what = f'{named(row.node, row.iteration)} of {run.run_id} "{title_of(row)}"'
        here.out.line(" ".join(filter(None, (around[0], what, around[1]))))
        return
    about: Json = {"runId": run.run_id, "nodeId": row.node, "iteration": shown_iteration(row.iteration)}
    to = {"to": entry.data["to"]} if "to" in entry.data else {}
    here.out.document(about | {"by": entry.data["by"], **to, "note": entry.data.get("note"), "at": iso(entry.at_ms)})


def requested(here: Session, request: str | None, node: str | None, iteration: str | None) -> tuple[Run, NodeRow]:
    """The run and the node of a request. Raises `InputError` for an id that is none, `RunNotFound`, `NodeNotFound`."""
    if request is None or not request.startswith(PREFIX):
        return target(here, request, node, iteration)
    if node is not None or iteration is not None:
        raise InputError(f"The request id {request!r} names the node and the iteration already.", request=request)
    run, _, place = request.removeprefix(PREFIX).partition(":")
    node, colon, turn = place.rpartition(":")
    if not (run and node and colon and turn):
        raise InputError(
            f"{request!r} is no request id: it is human:RUN:NODE:ITERATION, as `smithers human inbox` lists it.",
            request=request,
        )
    return target(here, run, node, turn)
