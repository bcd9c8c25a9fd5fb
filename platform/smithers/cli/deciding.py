"""What `approve` and `deny` share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from smithers.cli.output import Form
from smithers.cli.session import Session, session
from smithers.engine.answer import NOTHING, Answer, mode_of
from smithers.engine.entry import Json
from smithers.engine.frame import NodeRow
from smithers.errors import AnswerRefused, InputError, RunNotFound
from smithers.store.deciding import Decided
from smithers.store.records import Run
from smithers.views.approvals import choose, decide, verb_of
from smithers.views.asking import how_to_answer, title_of
from smithers.views.nodes import named, shown_iteration
from smithers.views.times import iso
from smithers.worker.ringing import carried_on, wake

RunOption = Annotated[
    str | None, typer.Argument(metavar="[RUN]", help="Run id or its beginning. Default: the newest run.")
]
NodeOption = Annotated[str | None, typer.Argument(metavar="[NODE]", help="Which approval; needed if several wait.")]
NodeFlag = Annotated[str | None, typer.Option("--node", "-n", help="The same as NODE.")]
ByOption = Annotated[str | None, typer.Option("--by", help="Who does it. Default: $USER.")]
ScopeOption = Annotated[
    list[str] | None, typer.Option("--scope", help="A scope that the one who decides has; may be given several times.")
]
NoteOption = Annotated[str | None, typer.Option("--note", help="Why; kept with the decision.")]


def settle(
    wanted: tuple[str | None, str | None], iteration: str | None, answer: Answer, form: Form, *, resume: bool
) -> int:
    """Stores an answer, wakes the run, and says what happens next."""
    return settle_in(lambda here: target(here, *wanted, iteration), answer, form, resume=resume)


def settle_in(find: Callable[[Session], tuple[Run, NodeRow]], answer: Answer, form: Form, *, resume: bool) -> int:
    """The same for whatever `find` finds."""
    with session(form) as here:
        run, row = find(here)
        refuse_bare_approval(run, row, answer)
        decided = decided_or_woken(here, run, row, answer)
        woken = wake(here.project, run.run_id) if decided.is_final else False
        if here.out.is_json and not resume:
            here.out.document(decided_wire(run, row, decided, answer) | {"woken": woken})
        elif not here.out.is_json:
            here.out.line(told(run, row, decided, answer))
            if not resume and decided.is_final:
                here.out.note(carried_on(here.project, run.run_id, woken=woken))
        project = here.project
    if not resume or not decided.is_final:
        return 0
    from smithers.cli.up.hosting import resume_run

    return resume_run(project, run.run_id, form)


def refuse_bare_approval(run: Run, row: NodeRow, answer: Answer) -> None:
    """A human task asks for more than a yes: an approval without anything is not counted as an answer that is wrong."""
    is_bare = answer.approved and answer.note is None and answer.value is NOTHING
    if is_bare and row.state == "waiting-approval" and mode_of(row.detail) == "human":
        raise InputError(
            f"{named(row.node, row.iteration)!r} of run {run.run_id} asks for an answer, not only for an approval: "
            f"{how_to_answer(run.run_id, row)}",
            node=row.node,
        )


def decided_or_woken(here: Session, run: Run, row: NodeRow, answer: Answer) -> Decided:
    """An answer that was refused as the last one ends the wait, too."""
    try:
        return decide(here.store, run, row, answer)
    except AnswerRefused as refused:
        if refused.data.get("attempts_left") == 0:
            wake(here.project, run.run_id)
        raise


def decided_wire(run: Run, row: NodeRow, decided: Decided, answer: Answer) -> Json:
    data = decided.entry.data
    more = {name: data[name] for name in ("selected", "ranked", "value") if name in data}
    if decided.ruling.needed > 1:
        more |= {"votes": decided.ruling.votes, "quorum": decided.ruling.needed, "final": decided.is_final}
    return {
        "runId": run.run_id,
        "nodeId": row.node,
        "iteration": shown_iteration(row.iteration),
        "approved": answer.approved,
        "by": answer.by,
        "note": answer.note,
        "at": iso(decided.entry.at_ms),
    } | more


def told(run: Run, row: NodeRow, decided: Decided, answer: Answer) -> str:
    symbol = "✓" if answer.approved else "✗"
    what = f'{named(row.node, row.iteration)} of {run.run_id} "{title_of(row)}"'
    if decided.is_final:
        return f"{symbol} {verb_of(decided.entry)} {what} by {answer.by}"
    left = decided.ruling.needed - decided.ruling.votes
    return f"{symbol} approved {what} by {answer.by}; {left} more must approve it"


def target(here: Session, run: str | None, node: str | None, iteration: str | None) -> tuple[Run, NodeRow]:
    """The run and the approval in it. One argument that is no run may name a node of the newest run."""
    try:
        found = here.run(run)
    except RunNotFound as error:
        if run is None or node is not None:
            raise
        newest = here.run(None)
        ids = {row.node for row in here.store.nodes(newest.run_id)}
        if run not in ids:
            raise error from None
        found, node = newest, run
    return found, choose(here.store, found, node, iteration)


def one_node(argument: str | None, flag: str | None) -> str | None:
    if argument is not None and flag is not None and argument != flag:
        raise InputError(f"The node is given twice: {argument!r} and --node {flag!r}. Give it once.")
    return argument if argument is not None else flag
