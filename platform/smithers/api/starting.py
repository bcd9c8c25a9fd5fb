"""`run` and `start`: the door for programs.

    result = await run("travel.py", {"cities": ["Oslo"]}, idempotency_key=request.id)
    plan = result.finished().output(Plan, "book")

Both do what `smithers up` does, with the same code: check the file, the input and the tree before anything is made,
store the run, start or join the project's local server, and carry the run on with a worker in this process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypedDict, Unpack

from pydantic import BaseModel

from smithers.api.handle import OnEvent, RunHandle
from smithers.api.pinning import prepare_pinned
from smithers.api.result import Result
from smithers.errors import InputError, InvalidInput, WorkflowFileError, WrongState
from smithers.flow.workflow import AnyWorkflow, Workflow
from smithers.project import Project, find_project
from smithers.worker.order import Order
from smithers.worker.person import whoami
from smithers.worker.prepare import prepare

Source = str | Path | AnyWorkflow
Input = Mapping[str, Any] | BaseModel


class StartOptions(TypedDict, total=False):
    """How a run is started; all are optional."""

    run_id: str
    """Id for the new run; with `resume` that of the run to go on with."""
    project: str | Path
    """The project's folder. Default: the nearest one, from the current folder upwards, that has a `.smithers`."""
    idempotency_key: str
    """The same key gives the same run, however often it comes; `IdempotencyConflict` with another input."""
    tags: Mapping[str, str]
    """What the run is found by: `smithers ps --tag team=blue`."""
    max_concurrency: int
    """At most so many tasks at once, 1 to 1000."""
    priority: int
    """Where tasks of several runs wait for a worker: 1 goes first, 5 last; 3 by default."""
    resume: bool
    """Go on with run `run_id`: what failed is tried again, outputs are kept."""
    follow: bool
    """With `resume`: go on with the code as it is now."""
    pinned: bool
    """With `resume`: go on with the run's own code, wherever its file has gone. Where that has changed, the code comes
    from the store, and bodies run in a process of their own: the modules of this one stay what they are."""


async def run(
    workflow: Source,
    input: Input | None = None,
    *,
    on_event: OnEvent | None = None,
    stay: bool = False,
    cancel_run: bool = False,
    **options: Unpack[StartOptions],
) -> Result:
    """Runs a workflow, and returns how it stands when it has ended or waits for a person (`RunHandle.result`).

    A run that fails or waits is a result, not an exception. Cancelling the task that awaits this (also by a timeout)
    cancels nothing: the worker of this process drains, and the run stays; with `cancel_run` the run is cancelled, and
    waited for. Raises what `start` raises, and `TemporalUnavailable` or `TemporalMissing` where no worker starts.
    """
    handle = await start(workflow, input, **options)
    try:
        return await handle.result(stay=stay, on_event=on_event)
    except asyncio.CancelledError:
        if cancel_run:
            await asyncio.shield(asyncio.ensure_future(_cancelled(handle)))
        raise
    finally:
        await handle.close()


async def start(workflow: Source, input: Input | None = None, **options: Unpack[StartOptions]) -> RunHandle:
    """Starts a workflow, given as its file or as the `@workflow` itself, and returns once the run is stored.

    Everything that can be wrong is refused before anything is made: `WorkflowFileError`, `InvalidElement`,
    `RenderError`, `InvalidInput`, `RunExists`, `IdempotencyConflict`, `InputError`. Close the handle, or use it in an
    `async with`. The file is imported by this process, in a thread; a workflow that is given as a value is loaded
    again from its file, which is what the run is pinned to.
    """
    project = _project(options.get("project"))
    order = Order(
        str(project.root),
        file_of(workflow),
        options.get("run_id", ""),
        given(input),
        limits(options.get("max_concurrency"), options.get("priority")),
        workflow=workflow.name if isinstance(workflow, Workflow) else "",
        tags=dict(options.get("tags") or {}),
        idempotency_key=options.get("idempotency_key", ""),
        resume=options.get("resume", False),
        follow=options.get("follow", False),
        pinned=options.get("pinned", False),
        by=whoami(),
    )
    refuse_mixed(order, input)
    if order.pinned:
        return RunHandle(project, *await asyncio.to_thread(prepare_pinned, project, order))
    return RunHandle(project, await asyncio.to_thread(prepare, project, order))


async def _cancelled(handle: RunHandle) -> None:
    with suppress(WrongState):  # it has ended meanwhile
        await handle.cancel("the task that awaited it was cancelled")
    await handle.result(stay=True)


def _project(folder: str | Path | None) -> Project:
    if folder is None:
        return find_project()
    root = Path(folder).resolve()
    if not root.is_dir():
        raise InputError(f"The project's folder {folder} is not there.", folder=str(root))
    return Project(root)


def file_of(workflow: Source) -> str:
    """Where the workflow is written. Raises `WorkflowFileError` for one that is in no file."""
    if not isinstance(workflow, Workflow):
        return str(workflow)
    file = workflow.where[0]
    if not Path(file).is_file():
        raise WorkflowFileError(
            f"Workflow {workflow.name!r} was written in {file}, which is no file. A run outlives this process and "
            "loads its code from a file: put the workflow into one.",
            file=file,
        )
    return file


def given(input: Input | None) -> dict[str, Any]:
    if isinstance(input, BaseModel):
        return input.model_dump(mode="json")
    if input is not None and not isinstance(input, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidInput(f"The input is a mapping or a pydantic model, not {type(input).__name__}: {input!r:.60}")
    return dict(input or {})


def limits(most: int | None, priority: int | None) -> dict[str, Any]:
    """The options of the run. Raises `InputError` for a number out of its range."""
    given = {"max_concurrency": (most, 1000), "priority": (priority, 5)}
    for name, (value, highest) in given.items():
        if value is not None and not 1 <= value <= highest:
            raise InputError(f"{name}={value} is not from 1 to {highest}.")
    return {name: value for name, value in {"max_in_flight": most, "priority": priority}.items() if value is not None}


def refuse_mixed(order: Order, input: Input | None) -> None:
    if order.resume and not order.run_id:
        raise InputError("resume=True needs run_id: which run is to go on?")
    if order.follow and order.pinned:
        raise InputError("follow=True goes on with the new code, pinned=True with the old one: give one of them.")
    if order.pinned and not order.resume:
        raise InputError("pinned=True is about a run that is there: give run_id and resume=True with it.")
    if order.resume and input is not None:
        raise InputError("The input belongs to a new run; a run that is resumed keeps what it was started with.")
