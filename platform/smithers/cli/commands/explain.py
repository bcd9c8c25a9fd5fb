"""`smithers explain`: what an error code means."""

from __future__ import annotations

from dataclasses import asdict
from difflib import get_close_matches
from typing import Annotated

import typer

from smithers.cli.options import FormOption
from smithers.cli.output import Form, Out
from smithers.codes import CODES, LIST, Code
from smithers.errors import InputError


def command(
    code: Annotated[str | None, typer.Argument(metavar="[CODE]", help="As an error shows it. Default: all.")] = None,
    form: FormOption = Form.plain,
) -> int:
    """Says what an error code means, and what to do about it."""
    out = Out(form)
    if code is None:
        show_all(out)
        return 0
    found = known(code)
    if out.is_json:
        out.document(asdict(found))
        return 0
    out.lines([f"{found.name} ({found.area})", f"  {found.meaning}", f"  {found.advice}"])
    if found.data:
        out.line(f"  data: {', '.join(found.data)}")
    return 0


def show_all(out: Out) -> None:
    if out.is_json:
        out.document({"codes": [asdict(one) for one in LIST]})
    else:
        out.lines([f"{one.name:26} {one.meaning}" for one in LIST])


def known(code: str) -> Code:
    name = code.upper().replace("-", "_")
    if name in CODES:
        return CODES[name]
    near = get_close_matches(name, CODES, 1)
    hint = f" Did you mean {near[0]}?" if near else ""
    raise InputError(
        f"{code} is no code of Smithers: then it is one that the workflow's own code has given.{hint} "
        "`smithers explain` lists all."
    )
