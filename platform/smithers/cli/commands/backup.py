"""`smithers backup`: a copy of the store, made while runs go on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from smithers.cli.options import FormOption
from smithers.cli.output import Form, Out
from smithers.errors import InputError
from smithers.project import find_project


def command(
    file: Annotated[Path, typer.Argument(help="Where the copy goes. It must not be there yet.")],
    form: FormOption = Form.plain,
) -> int:
    """Copies the store, with every run in it, to one file. Nothing has to stop for it.

    Temporal's data is not needed to restore it: `smithers restore FILE` drives open runs again from their logs.
    """
    from smithers.store.backup import back_up, sqlite_file

    out = Out(form)
    store = sqlite_file(find_project().store_url)
    if store is None:
        raise InputError(
            "The store is in PostgreSQL (SMITHERS_DATABASE_URL), which has its own tools. For a copy: "
            f'pg_dump --format=custom --file={file} "$SMITHERS_DATABASE_URL"'
        )
    size_bytes = back_up(store, file)
    if out.is_json:
        out.document({"file": str(file.absolute()), "sizeBytes": size_bytes})
    else:
        out.line(f"✓ {store} is copied to {file} ({size_bytes:,} bytes).")
    return 0
