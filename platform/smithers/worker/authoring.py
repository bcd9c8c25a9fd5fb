"""Errors of an author's code, with the author's line."""

from __future__ import annotations

import traceback
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from smithers.errors import AuthoringError

if TYPE_CHECKING:
    from smithers.worker.code import LoadedCode


@contextmanager
def with_line(code: LoadedCode) -> Generator[None]:
    """Adds the innermost line of the author's own files to an error that does not name one."""
    try:
        yield
    except AuthoringError as error:
        where = innermost(code, error)
        if where and where.rpartition(":")[0] not in error.message:
            error.message = f"{error.message}\nat {where}"
            error.data.setdefault("where", where)
        raise


def innermost(code: LoadedCode, error: BaseException) -> str:
    """Also through the errors that led to this one; empty where none of them passed through the author's files."""
    base = Path(str(code.source).removesuffix(code.entry))
    own = {str(base / name) for name in code.files}
    link: BaseException | None = error
    while link is not None:
        frames = [frame for frame in traceback.extract_tb(link.__traceback__) if frame.filename in own]
        if frames:
            return f"{frames[-1].filename}:{frames[-1].lineno}"
        link = link.__cause__ or link.__context__
    return ""
