"""How a run is made, whoever asks for it: everything that can be wrong is found before anything is stored."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from smithers.engine.entry import Json
from smithers.errors import IdempotencyConflict, InputError, RunExists, WorkflowFileError
from smithers.project import Project
from smithers.store.records import NewRun, Run

if TYPE_CHECKING:
    from smithers.store.interface import Store
    from smithers.worker.code import LoadedCode

LETTERS: Final = "abcdefghjkmnpqrstvwxyz"
ALPHABET: Final = LETTERS + "0123456789"
RUN_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
RESERVED: Final = ("latest",)
"""What commands take for another run than one of that id."""
TAG_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,63}")
LONGEST_TAG: Final = 256
LONGEST_KEY: Final = 200


@dataclass(frozen=True, slots=True)
class Request:
    """A run that somebody asks for."""

    file: str
    """The workflow file."""
    input: Json = field(default_factory=dict[str, Any])
    run_id: str = ""
    """Empty: one is made up."""
    options: Json = field(default_factory=dict[str, Any])
    tags: dict[str, str] = field(default_factory=dict[str, str])
    idempotency_key: str = ""
    workflow: str = ""
    """The name of the workflow that the file must hold; empty for any."""


def checked(request: Request) -> tuple[LoadedCode, Json]:
    """The code, and the input as it is stored. Raises `AuthoringError` and `InputError`; nothing is made."""
    from smithers.engine.check import preflight
    from smithers.engine.inputs import check_input
    from smithers.worker.code import load

    if request.run_id:
        check_run_id(request.run_id)
    check_tags(request.tags)
    check_key(request.idempotency_key)
    code = load(Path(request.file))
    if request.workflow not in ("", code.workflow.name):
        raise WorkflowFileError(
            f"{request.file} holds the workflow {code.workflow.name!r}, not {request.workflow!r}.", file=request.file
        )
    input = check_input(code.workflow, request.input)
    preflight(code.workflow, request.input, request.options)
    return code, input


def with_defaults(project: Project, options: Json) -> Json:
    """The options of a new run: what was asked for, then what the project's configuration or a variable says."""
    from smithers.worker.configuration import configured

    found = configured(project)
    said: Json = {"queues": found.values.queues} if found.values.queues else {}
    if "runs.max_in_flight" in found.origins:
        said["max_in_flight"] = found.values.runs.max_in_flight
    return {**said, **options}


def create(store: Store, request: Request, code: LoadedCode, input: Json) -> Run:
    """The run, or the one that was made for the same idempotency key. Raises `RunExists`, `IdempotencyConflict`."""
    run_id = request.run_id or new_run_id()
    from smithers.worker.kept import keep

    source, options, tags = str(code.source), request.options, request.tags
    new = NewRun(run_id, code.workflow.name, input, code.digest, source, options, tags, request.idempotency_key)
    keep(store, code)
    try:
        run = store.create_run(new)
    except RunExists as error:
        if not request.run_id:
            return create(store, request, code, input)
        raise RunExists(
            f"There is a run {run_id!r} already. `smithers up --resume {run_id}` goes on with it; leave the run id out "
            "for a new one.",
            run_id=run_id,
        ) from error
    if request.run_id and run.run_id != request.run_id:
        raise IdempotencyConflict(
            f"The idempotency key {request.idempotency_key!r} stands for run {run.run_id!r}, not for a run "
            f"{request.run_id!r}. Nothing was started. Leave the run id out, or give another key.",
            run_id=run.run_id,
            idempotency_key=request.idempotency_key,
        )
    return run


def new_run_id() -> str:
    """Ten letters and digits, a letter first: easy to shorten, never read as a number. 49 bits."""
    return secrets.choice(LETTERS) + "".join(secrets.choice(ALPHABET) for _ in range(9))


def check_run_id(run_id: str) -> None:
    """It becomes a workflow id, a file name, and a word on command lines."""
    if not RUN_ID.fullmatch(run_id) or run_id in RESERVED or run_id.endswith("."):
        raise InputError(
            f"The run id {run_id!r} cannot name a run: use up to 100 letters, digits, dots, dashes and underscores, a "
            f"letter or digit first, and not {RESERVED[0]!r}.",
            run_id=run_id,
        )


def check_tags(tags: dict[str, str]) -> None:
    for name, value in tags.items():
        if not TAG_NAME.fullmatch(name):
            raise InputError(
                f"The tag {name!r} has no name that can be looked for: use up to 64 letters, digits, dots, dashes, "
                "slashes and underscores, a letter or digit first.",
                tag=name,
            )
        if len(value) > LONGEST_TAG:
            raise InputError(f"The tag {name!r} has {len(value)} letters; at most {LONGEST_TAG} are kept.", tag=name)


def check_key(key: str) -> None:
    if len(key) > LONGEST_KEY or not key.isprintable():
        raise InputError(
            f"The idempotency key {key!r:.60} is too long or holds control characters: use at most {LONGEST_KEY} "
            "letters, such as the id of the request.",
        )
