"""`smithers deny`: says no to what a run waits for."""

from __future__ import annotations

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
    scope: ScopeOption = None,
    resume: ResumeFlag = False,
    form: FormOption = Form.plain,
) -> int:
    """Denies what a run waits for. What follows is for the workflow to say: by default the run fails."""
    answer = Answer(False, by or whoami(), note, scopes=frozenset(scope or ()))
    return settle((run, one_node(node, named)), iteration, answer, form, resume=resume)
