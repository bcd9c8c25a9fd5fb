"""What a body raises becomes `{code, message, retryable, data}`: plain JSON that outlives the code that raised it."""

from __future__ import annotations

import json
import sysconfig
import traceback
from pathlib import Path
from types import TracebackType
from typing import Any, Final, cast

from pydantic_core import to_json

import smithers.errors
from smithers.errors import SmithersError, TaskError
from smithers_activities.lines import storable

HOPELESS: Final = (
    TypeError,
    NameError,
    AttributeError,
    ImportError,
    SyntaxError,
    NotImplementedError,
    RecursionError,
)
"""Errors of the program, not of the world: the next attempt would end the same. `AssertionError` is not among them,
since people assert what the world answers, too; an attempt too many costs seconds, one too few costs a run."""
LONGEST_MESSAGE: Final = 4_000
LONGEST_TRACEBACK: Final = 8_000
FRAMES: Final = 20
OURS: Final = tuple(str(Path(file).parent) + "/" for file in (smithers.errors.__file__, __file__))
INSTALLED: Final = tuple(
    path + "/" for name in ("stdlib", "platstdlib", "purelib", "platlib") if (path := sysconfig.get_path(name))
)


def wire(error: BaseException) -> dict[str, Any]:
    """An error as it is stored and shown. `data` has `type`, `where` (the author's file and line) and `traceback`."""
    if isinstance(error, SmithersError):
        found = error.wire()
    else:
        found: dict[str, Any] = {"code": TaskError.code, "message": told(error), "data": {}}
    data: dict[str, Any] = {
        **found["data"],
        "type": f"{type(error).__module__}.{type(error).__qualname__}".removeprefix("builtins."),
        "where": where(error),
        "traceback": excerpt(error),
    }
    return {
        "code": found["code"],
        "message": storable(found["message"][:LONGEST_MESSAGE]),
        "retryable": retryable(error),
        "data": plain(data),
    }


def retryable(error: BaseException) -> bool:
    """Whether the next attempt may end better. A group of errors is as hopeless as any one in it."""
    if isinstance(error, SmithersError):
        return error.retryable
    if members(error):
        return all(map(retryable, members(error)))
    return not isinstance(error, HOPELESS)


def members(error: BaseException) -> tuple[BaseException, ...]:
    """The errors in a group of errors; of any other error none."""
    return cast("BaseExceptionGroup[BaseException]", error).exceptions if isinstance(error, BaseExceptionGroup) else ()


def told(error: BaseException) -> str:
    name = type(error).__name__
    if members(error):
        return f"{error.args[0]}: {'; '.join(map(told, members(error)))}"
    if isinstance(error, SystemExit):
        return f"The task called sys.exit({error.code!r}): raise an error, or return."
    try:
        text = str(error)
    except Exception:  # noqa: BLE001  an author's __str__ may fail in any way
        text = ""
    return f"{name}: {text}" if text else name


def where(error: BaseException) -> str | None:
    """`file:line` of the innermost frame that is the author's; of the innermost one at all where none is."""
    if members(error):
        return next(filter(None, map(where, members(error))), None)
    frames = traceback.extract_tb(error.__traceback__)
    outside = [frame for frame in frames if not frame.filename.startswith(OURS)]
    own = [frame for frame in outside if not (frame.filename.startswith((*INSTALLED, "<")))]
    return next((f"{frame.filename}:{frame.lineno}" for frame in reversed(own or outside)), None)


def excerpt(error: BaseException) -> str:
    """The traceback from the author's first frame on, its end if it is long."""
    frames = beyond_ours(error.__traceback__)
    lines = traceback.TracebackException(type(error), error, frames, limit=-FRAMES, compact=True).format()
    return "".join(lines)[-LONGEST_TRACEBACK:]


def beyond_ours(frames: TracebackType | None) -> TracebackType | None:
    while frames is not None and frames.tb_frame.f_code.co_filename.startswith(OURS):
        frames = frames.tb_next
    return frames


def plain(data: dict[str, Any]) -> dict[str, Any]:
    """Whatever an author has put into an error, as JSON."""
    try:
        return json.loads(to_json(data, fallback=repr, inf_nan_mode="null", serialize_unknown=True))
    except ValueError:
        return {name: storable(str(value)) for name, value in data.items()}
