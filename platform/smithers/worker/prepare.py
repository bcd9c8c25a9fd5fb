"""What happens before a run is carried on: everything that can be wrong is found before anything is made."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from smithers.engine.entry import EndedRun, Fact, Json, OpenRun
from smithers.engine.state import CLOSED, CONTINUED, FINAL
from smithers.errors import WorkflowFileError, WrongState
from smithers.project import Project
from smithers.store import open_store
from smithers.store.records import Append, Run
from smithers.store.successors import last_of
from smithers.views.children import children
from smithers.views.ended import has_ended
from smithers.views.plan_text import told_difference
from smithers.worker.kept import is_on_disk, keep
from smithers.worker.new_run import Request, checked, create, with_defaults
from smithers.worker.order import Order

if TYPE_CHECKING:
    from smithers.flow.workflow import AnyWorkflow
    from smithers.store.interface import Store
    from smithers.worker.code import LoadedCode

MOST_NAMED: Final = 5
"""Changed files; the document has all."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A run that is stored and may be carried on."""

    run_id: str
    workflow: str
    created_ms: int
    after: int
    """Position of the log behind which everything is new."""
    code: LoadedCode | None
    """None for a run that is over: there is nothing to host."""
    notes: tuple[str, ...] = ()
    """What a person is to know first: what the code that is followed changes, or what the old one comes from."""

    def wire(self) -> Json:
        return {
            "runId": self.run_id,
            "workflow": self.workflow,
            "createdMs": self.created_ms,
            "after": self.after,
            "over": self.code is None,
        }


def prepare(project: Project, order: Order) -> Prepared:
    return resumed(project, order) if order.resume else started(project, order)


def started(project: Project, order: Order) -> Prepared:
    """A new run, or the one of the same idempotency key, or the last that goes on for that one.

    Raises `AuthoringError` and `InputError` with nothing made.
    """
    request = Request(
        order.file,
        order.input,
        order.run_id,
        with_defaults(project, order.options),
        order.tags,
        order.idempotency_key,
        order.workflow,
    )
    code, input = checked(request)
    store = open_store(project, create=True)
    try:
        run = last_of(store, create(store, request, code, input))
        if run.status in FINAL:
            code = None
        elif run.digest != code.digest:
            code = code_of(store, run, replace(order, run_id=run.run_id)).code
    finally:
        store.close()
    return Prepared(run.run_id, run.workflow, run.created_ms, 0, code)


def resumed(project: Project, order: Order) -> Prepared:
    """A run that is there: opened again if it had failed, moved to new code if that was asked for."""
    store = open_store(project, create=False)
    try:
        run = store.run(order.run_id)
        if order.onward:
            run, order = onward(store, run, order)
        refuse_continued(store, run)
        before = run.head
        if run.status in CLOSED:
            return Prepared(run.run_id, run.workflow, run.created_ms, run.head, None)
        chosen = code_of(store, run, order)
        code, notes = chosen.code, chosen.notes
        if code.digest != run.digest:
            notes = following(run, code, difference(store, run, code))
        if run.status == "failed":
            run = reopen(store, run, order.by)
        if code.digest != run.digest:
            follow(store, run, code, order.by)
        return Prepared(run.run_id, run.workflow, run.created_ms, before, code, notes)
    finally:
        store.close()


def onward(store: Store, run: Run, order: Order) -> tuple[Run, Order]:
    """The last run that goes on for this one, and the order for that."""
    now = last_of(store, run)
    return now, replace(order, run_id=now.run_id)


def refuse_continued(store: Store, run: Run) -> None:
    """Raises `WrongState` for a run that another one goes on for."""
    if run.status == CONTINUED:
        raise has_ended(store, run, f"Run {run.run_id} goes on no more", "up --resume RUN")


@dataclass(frozen=True, slots=True)
class Chosen:
    """The code to go on with."""

    code: LoadedCode
    notes: tuple[str, ...] = ()


def code_of(store: Store, run: Run, order: Order) -> Chosen:
    """The code to host. Raises `WrongState` where the file is not the run's code and nobody said what to do then."""
    if order.pinned:
        return pinned(store, run, order)
    code = code_on_disk(run, order.file)
    if code.digest != run.digest and not order.follow:
        raise changed_code(store, run, code)
    return Chosen(code)


def code_on_disk(run: Run, file: str = "") -> LoadedCode:
    """Raises `WorkflowFileError` where it is gone, and `WrongState` for another workflow."""
    from smithers.temporal.task_body import workflow_of
    from smithers.worker.code import load

    path = Path(file or run.source)
    if not path.exists() and not file:
        raise WorkflowFileError(
            f"The workflow file of run {run.run_id} is gone: {path}. Where is it now? "
            f"`smithers up FILE --resume {run.run_id}`. To go on with the code as it was when the run started: "
            f"`smithers up --resume {run.run_id} --pinned`.",
            file=str(path),
        )
    code = load(path)
    name = workflow_of(code, run.options).name
    if name != run.workflow:
        raise WrongState(
            f"{path} holds the workflow {name!r}, but run {run.run_id} is of {run.workflow!r}.",
            run_id=run.run_id,
        )
    return code


def pinned(store: Store, run: Run, order: Order) -> Chosen:
    """The code that the run is pinned to: its file while that is unchanged, else the sources in the store.

    Raises `WrongState` where neither is there.
    """
    from smithers.worker.kept import changes, load_kept

    unchanged = own_code_on_disk(store, run, order.file)
    if unchanged is not None:
        return Chosen(unchanged)
    code = load_kept(store, run.digest, Path(order.file or run.source), Path(order.root) / ".smithers" / "code")
    said = f"{run.source} has changed: run {run.run_id} goes on with its own code {run.digest[:12]}, from the store."
    return Chosen(code, (said, *(f"! {line}" for line in changes(store.sources(run.digest).environment))))


def own_code_on_disk(store: Store, run: Run, file: str = "") -> LoadedCode | None:
    """The code that the run is pinned to, while its file is unchanged; None where only the store has it.

    Raises `WrongState` where neither has.
    """
    from smithers.worker.code import load

    if not store.has_sources(run.digest):  # of a run that was started before sources were kept
        code = code_on_disk(run, file)
        if code.digest != run.digest:
            raise changed_code(store, run, code)
        return code
    source = Path(file or run.source)
    if is_on_disk(store.sources(run.digest), source):
        code = load(source)
        return code if code.digest == run.digest else None
    return None


def following(run: Run, code: LoadedCode, difference: list[str]) -> tuple[str, ...]:
    return (f"⟳ Run {run.run_id} follows the code {code.digest[:12]} now:", *(f"  {line}" for line in difference))


def difference(store: Store, run: Run, code: LoadedCode) -> list[str]:
    """What this code would change in the run, as lines. A child run is planned with its own workflow, which stands
    somewhere in its parent's code."""
    from smithers.temporal.task_body import workflow_of

    return told_difference(workflow_of(code, run.options), run, store.entries(run.run_id))


def own_workflow(store: Store, run: Run, file: str = "") -> AnyWorkflow:
    """What the run is a run of. Raises `WrongState` where the file is not the code that the run is pinned to."""
    from smithers.temporal.task_body import workflow_of

    return workflow_of(code_of(store, run, Order("", file)).code, run.options)


def changed_code(store: Store, run: Run, code: LoadedCode) -> WrongState:
    changes = difference(store, run, code)
    shown = "\n".join(f"  {line}" for line in changes)
    is_kept = store.has_sources(run.digest)
    names = changed_files(store.sources(run.digest).files, code.files) if is_kept else []
    where = f" ({', '.join(names[:MOST_NAMED])})" if names else ""
    old = f"smithers up --resume {run.run_id} --pinned" if is_kept else "put the file back as it was."
    moved = [str(code.source)] if str(code.source) != run.source else []
    new = shlex.join(["smithers", "up", *moved, "--resume", run.run_id, "--follow"])
    return WrongState(
        f"{code.source} has changed since run {run.run_id} began{where}: its code is {run.digest[:12]}, this is "
        f"{code.digest[:12]}.\n"
        f"What the new code would change in this run:\n{shown}\n"
        f"To go on with the new code: {new}\n"
        f"To go on with the old code: {old}",
        code="CODE_CHANGED",
        run_id=run.run_id,
        digest=run.digest,
        new_digest=code.digest,
        difference=changes,
        pinned=is_kept,
        changed_files=names,
    )


def changed_files(before: Mapping[str, bytes], after: Mapping[str, bytes]) -> list[str]:
    return sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))


def reopen(store: Store, run: Run, by: str) -> Run:
    """A failed run goes on from what failed, with the outputs it has."""
    fact = Fact("resumed", f"resumed:{run.epoch + 1}", {"by": by}, EndedRun(("failed",)))
    store.append(Append(run.run_id, (fact,)))
    return store.run(run.run_id)


def follow(store: Store, run: Run, code: LoadedCode, by: str = "") -> None:
    """Pins the run, and those it has started that are not over, to other code from here on. Old code can be followed
    again later: the key holds the position."""
    keep(store, code)
    data = {"digest": code.digest, "source": str(code.source), "from": run.digest, "by": by}
    fact = Fact("follow", f"follow:{run.head}:{code.digest[:12]}", data, OpenRun())
    if store.append(Append(run.run_id, (fact,))).outcomes[0] == "rejected":
        raise WrongState(
            f"Run {run.run_id} is {store.run(run.run_id).status}: it follows no other code.", run_id=run.run_id
        )
    for child in children(store, run.run_id):
        below = child.run
        if below.status not in FINAL and below.digest != code.digest:
            also = Fact("follow", f"follow:{below.head}:{code.digest[:12]}", data, OpenRun())
            store.append(Append(below.run_id, (also,)))
