"""`smithers approve`: says yes to what a run waits for."""

from __future__ import annotations

from typing import Annotated

import typer

from smithers.cli.deciding import (
    ByOption,
    NodeFlag,
    NodeOption,
    NoteOption,
    RunOption,
    ScopeOption,
    one_node,
    settle,
)
from smithers.cli.options import FormOption, IterationOption, ResumeFlag
from smithers.cli.output import Form
from smithers.engine.answer import Answer
from smithers.worker.person import whoami


def command(  # shape: parameters: one per option
    run: RunOption = None,
    node: NodeOption = None,
    named: NodeFlag = None,
    iteration: IterationOption = None,
    by: ByOption = None,
    note: NoteOption = None,
    choice: Annotated[
        str | None, typer.Option("--choice", "-c", metavar="KEY", help="The option, where one is asked for.")
    ] = None,
    rank: Annotated[
        str | None, typer.Option("--rank", metavar="KEY,KEY,...", help="All options, best first, where that is asked.")
    ] = None,
    scope: ScopeOption = None,
    resume: ResumeFlag = False,
    form: FormOption = Form.plain,
) -> int:
    """Approves what a run waits for.

    The decision is stored at once, also when nothing is running; it is used once. A worker of the project goes on with
    the run; with --resume this command becomes one. A human task takes its answer as JSON from --note.
    """
    ranking = None if rank is None else tuple(key.strip() for key in rank.split(","))
    answer = Answer(True, by or whoami(), note, choice, ranking, scopes=frozenset(scope or ()))
    return settle((run, one_node(node, named)), iteration, answer, form, resume=resume)
