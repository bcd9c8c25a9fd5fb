"""What the `human` commands share: which request is meant."""

from __future__ import annotations

from typing import Annotated

import typer

from smithers.cli.deciding import target
from smithers.cli.session import Session
from smithers.engine.frame import NodeRow
from smithers.errors import InputError
from smithers.store.records import Run
from smithers.views.asking import PREFIX

RequestArgument = Annotated[
    str | None,
    typer.Argument(metavar="[REQUEST]", help="Request id from `human inbox`, or a run. Default: the newest run."),
]
NodeArgument = Annotated[str | None, typer.Argument(metavar="[NODE]", help="Where a run is given: which node of it.")]


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
