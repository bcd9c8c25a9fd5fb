"""Arguments and options that several commands share."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from smithers.cli.output import Form

FormOption = Annotated[Form, typer.Option("--format", help="plain for people, json for programs.")]
RunArgument = Annotated[
    str | None, typer.Argument(metavar="[RUN]", help="Run id, or a unique beginning of one. Default: the newest run.")
]
IterationOption = Annotated[
    str | None, typer.Option("--iteration", help="Iteration of a node in a loop. Default: the latest.")
]
WatchOption = Annotated[bool, typer.Option("--watch", "-w", help="Show it again and again until interrupted.")]
IntervalOption = Annotated[float, typer.Option("--interval", min=0.1, help="Seconds between two looks.")]
ShortIntervalOption = Annotated[float, typer.Option("--interval", "-i", min=0.1, help="Seconds between two looks.")]
"""Where `-i` does not mean something else."""
ResumeFlag = Annotated[bool, typer.Option("--resume", help="Then go on with the run here, as `up --resume` does.")]
PriorityOption = Annotated[
    int | None,
    typer.Option("--priority", min=1, max=5, metavar="N", help="1 goes first, 5 last, where tasks wait. Default: 3."),
]


def given_options(**values: Any) -> dict[str, Any]:
    """The options of a new run: those that somebody has given."""
    return {name: value for name, value in values.items() if value is not None}
