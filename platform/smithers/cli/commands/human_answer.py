"""`smithers human answer`: does what a run asks a person to do."""

from __future__ import annotations

from typing import Annotated, Any, Final

import typer

from smithers.cli.deciding import ByOption, ScopeOption, settle_in
from smithers.cli.inputs import read_json
from smithers.cli.options import FormOption, IterationOption, ResumeFlag
from smithers.cli.output import Form
from smithers.cli.requests import NodeArgument, RequestArgument, requested
from smithers.engine.answer import Answer
from smithers.worker.person import whoami


def command(  # shape: parameters: one per option
    value: Annotated[
        str, typer.Option("--value", metavar="JSON", help="The answer: JSON, @file, or @- (or -) for stdin.")
    ],
    request: RequestArgument = None,
    node: NodeArgument = None,
    iteration: IterationOption = None,
    by: ByOption = None,
    scope: ScopeOption = None,
    resume: ResumeFlag = False,
    form: FormOption = Form.plain,
) -> int:
    """Answers a human task. What does not fit its form is refused, naming the fields, and may be given again.

    The answer is stored at once, also when nothing is running. A worker of the project goes on with the run.
    """
    answer = Answer(True, by or whoami(), value=read(value), scopes=frozenset(scope or ()))
    return settle_in(lambda here: requested(here, request, node, iteration), answer, form, resume=resume)


def read(text: str) -> Any:
    """Raises `InputError` for what cannot be read, and for what is no JSON."""
    return read_json("@-" if text == "-" else text, "--value", hint=QUOTES)[0]


QUOTES: Final = "A text needs quotes of its own: '\"text\"'."
