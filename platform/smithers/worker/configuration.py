"""What a project sets for itself: `smithers.toml` in its folder, or `[tool.smithers]` in its `pyproject.toml`.

    [worker]
    slots = 20                  # tasks at the same time
    [runs]
    max_in_flight = 10          # of one run, where it was not started with another number
    [queues]
    deploys = 2                 # tasks of Task(queue="deploys") at the same time, over all runs
    [notices]
    command = "notify-send Smithers"
    [retention]
    older_than = "30d"          # runs that ended longer ago are deleted
    statuses = ["finished"]
    [secrets]
    provider = "file"           # or "env"
    file = "secrets.env"

A variable of the environment goes before the file, an option of a command before both. Nothing is read at import; each
process reads it once, when it begins to work. A key that is not known, or does not fit, is an `InputError` with the
file's line: a setting that is silently ignored is worse than none.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Final, Literal, cast

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, HttpUrl, TypeAdapter, ValidationError

from smithers.engine.state import MOST_IN_FLIGHT
from smithers.errors import InputError
from smithers.flow.queue import LONGEST_NAME
from smithers.project import Project
from smithers.views.times import parse_span

OWN_FILE: Final = "smithers.toml"
SHARED_FILE: Final = "pyproject.toml"
Raw = dict[str, Any]


def is_span(text: str) -> str:
    if text:
        try:
            parse_span(text, "older_than")
        except InputError as error:
            raise ValueError(error.message) from None
    return text


def is_queue_name(text: str) -> str:
    if not text.strip() or len(text) > LONGEST_NAME:
        raise ValueError(f"a queue's name has 1 to {LONGEST_NAME} letters")
    return text


def is_url(text: str) -> str:
    if text:
        TypeAdapter(HttpUrl).validate_python(text)
    return text


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class WorkerSection(Section):
    slots: int = Field(default=100, ge=1, le=10_000)
    cached_runs: int = Field(default=1000, ge=1)
    burst_s: float = Field(default=1.0, ge=0)
    render_s: float = Field(default=10.0, gt=0)
    grace_s: float = Field(default=5.0, ge=0)
    drain_s: float = Field(default=10.0, ge=0)
    hosted_codes: int = Field(default=4, ge=0)


class RunsSection(Section):
    max_in_flight: int = Field(default=MOST_IN_FLIGHT, ge=1, le=1000)


class NoticesSection(Section):
    command: str = ""
    url: Annotated[str, AfterValidator(is_url)] = ""
    events: bool = False
    """Also of waits for events."""


class RetentionSection(Section):
    older_than: Annotated[str, AfterValidator(is_span)] = ""
    """Empty: runs stay."""
    statuses: list[Literal["finished", "failed", "cancelled", "continued"]] = [
        "finished",
        "failed",
        "cancelled",
        "continued",
    ]


class SecretsSection(Section):
    """Where the values of secrets are looked up, which workflows know by name only."""

    provider: Literal["env", "file"] = "env"
    file: str = ""


QueueName = Annotated[str, AfterValidator(is_queue_name)]


class Configuration(Section):
    worker: WorkerSection = WorkerSection()
    runs: RunsSection = RunsSection()
    queues: dict[QueueName, Annotated[int, Field(ge=1)]] = Field(default_factory=dict[str, int])
    """Limits of queues that runs share, by name."""
    notices: NoticesSection = NoticesSection()
    retention: RetentionSection = RetentionSection()
    secrets: SecretsSection = SecretsSection()


TRUTH: Final = {"true": True, "1": True, "false": False, "0": False}
DEFAULTS: Final[dict[str, Any]] = {
    f"{section}.{name}": value
    for section, values in Configuration().model_dump().items()
    for name, value in values.items()
}
VARIABLES: Final = {
    "SMITHERS_SLOTS": "worker.slots",
    "SMITHERS_CACHED_RUNS": "worker.cached_runs",
    "SMITHERS_HOSTED_CODES": "worker.hosted_codes",
    "SMITHERS_BURST_S": "worker.burst_s",
    "SMITHERS_RENDER_S": "worker.render_s",
    "SMITHERS_GRACE_S": "worker.grace_s",
    "SMITHERS_MAX_IN_FLIGHT": "runs.max_in_flight",
    "SMITHERS_NOTICE_COMMAND": "notices.command",
    "SMITHERS_NOTICE_URL": "notices.url",
    "SMITHERS_NOTICE_EVENTS": "notices.events",
    "SMITHERS_RETENTION": "retention.older_than",
    "SMITHERS_SECRETS_PROVIDER": "secrets.provider",
}


@dataclass(frozen=True, slots=True)
class Effective:
    """The configuration of a project, and where each value comes from."""

    values: Configuration
    origins: Mapping[str, str]
    """By path: `smithers.toml:3`, or the name of a variable. What is not in it is a default."""

    def settings(self) -> Iterator[tuple[str, Any, str]]:
        """Path, value and origin of each, in the order of the tables."""
        for section, values in self.values.model_dump().items():
            for name, value in values.items():
                path = f"{section}.{name}"
                yield path, value, self.origins.get(path, "default")


def configured(project: Project, variables: Mapping[str, str] = os.environ) -> Effective:
    """Raises `InputError`."""
    file, raw, text = read_file(project.root)
    origins = {path: f"{file.name}:{line_of(text, path, file)}" for path in paths(raw)}
    where = {path: f"{file}:{line_of(text, path, file)}" for path in ("", *paths(raw), *raw)}
    merged: Raw = {name: dict(cast(Raw, value)) if isinstance(value, dict) else value for name, value in raw.items()}
    for variable, path in VARIABLES.items():
        if given := variables.get(variable):
            section, _, name = path.partition(".")
            table = merged.setdefault(section, {})
            if isinstance(table, dict):
                table[name] = typed(path, given)
            origins[path] = variable
            where[path] = f"{variable}={given!r}"
    try:
        return Effective(Configuration.model_validate(merged), origins)
    except ValidationError as error:
        raise refused(error, where, file) from None


def read_file(root: Path) -> tuple[Path, Raw, str]:
    """The file that counts, its table, and its text. Empty where there is none."""
    own, shared = root / OWN_FILE, root / SHARED_FILE
    texts = {file: file.read_text(encoding="utf-8") for file in (own, shared) if file.is_file()}
    tables = {file: parsed(file, text) for file, text in texts.items()}
    shared_table: Raw | None = tables.get(shared, {}).get("tool", {}).get("smithers")
    if own in tables and shared_table is not None:
        raise InputError(
            f"{own} and {shared}:{line_of(texts[shared], '', shared)} both configure Smithers. Which one counts would "
            "be a guess: keep one of them."
        )
    if shared_table is not None:
        return shared, shared_table, texts[shared]
    return own, tables.get(own, {}), texts.get(own, "")


def parsed(file: Path, text: str) -> Raw:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"at line (\d+)", str(error))
        at = line[1] if line else len(text.splitlines())  # "at end of document"
        raise InputError(f"{file}:{at}: this is not TOML: {error}.") from None


def paths(raw: Raw) -> list[str]:
    """Of the values."""
    tables = {name: cast(Raw, table) for name, table in raw.items() if isinstance(table, dict)}
    return [f"{name}.{key}" for name, table in tables.items() for key in table]


def line_of(text: str, path: str, file: Path) -> int:
    """Where a path is set: the line of its key, else of its table, else the first."""
    prefix = "tool.smithers" if file.name == SHARED_FILE else ""
    wanted = [".".join(part for part in (prefix, path) if part)]
    if "." in path:
        wanted.append(".".join(part for part in (prefix, path.rpartition(".")[0]) if part))
    table, found = "", dict[str, int]()
    for number, line in enumerate(text.splitlines(), 1):
        if header := re.match(r"\s*\[\s*([^\[\]]+?)\s*\]", line):
            table = header[1].replace('"', "")
            found.setdefault(table, number)
        elif key := re.match(r"""\s*((?:"[^"]*"|'[^']*'|[\w.-])+)\s*=""", line):
            name = key[1].replace('"', "").replace("'", "")
            found.setdefault(f"{table}.{name}" if table else name, number)
    below = (number for name, number in found.items() if name.startswith(f"{wanted[-1]}."))
    return next((found[one] for one in wanted if one in found), next(below, 1))


def typed(path: str, text: str) -> Any:
    """A variable's text, as the type of the setting; text that is none stays, and is refused like any other."""
    default = DEFAULTS[path]
    if isinstance(default, bool):
        return TRUTH.get(text.lower(), text)
    try:
        return int(text) if isinstance(default, int) else float(text) if isinstance(default, float) else text
    except ValueError:
        return text


def refused(error: ValidationError, where: Mapping[str, str], file: Path) -> InputError:
    """The first thing that is wrong."""
    first = error.errors()[0]
    path = ".".join(str(part) for part in first["loc"][:2])
    place = where.get(path) or where.get(path.partition(".")[0]) or f"{file}:1"
    if first["type"] == "extra_forbidden":
        section, _, name = path.rpartition(".")
        within = [one.split(".") for one in DEFAULTS]
        known = sorted({at[1] if section else at[0] for at in within if section in ("", at[0])})
        near = get_close_matches(name, known, 1)
        hint = f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(known)}."
        return InputError(f"{place}: there is no setting {path!r}. {hint}", setting=path)
    if first["type"] in ("int_type", "float_type") and isinstance(first["input"], str):
        return InputError(f"{place} is not a number ({path}).", setting=path)
    if first["type"] == "bool_type" and isinstance(first["input"], str):
        return InputError(f"{place} is neither true nor false ({path}).", setting=path)
    what = first["msg"].removeprefix("Value error, ")
    return InputError(f"{place}: {path} = {first['input']!r} cannot be: {what}.", setting=path)
