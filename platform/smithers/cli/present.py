"""The one presenter of errors: the same words for a person, the same fields for a program."""

from __future__ import annotations

import sys
import traceback
from typing import TYPE_CHECKING, Any

from smithers.cli.output import Form, Out
from smithers.cli.status import FAILED, WRONG_USE
from smithers.errors import AuthoringError, InputError, SmithersError, StoreMissing

if TYPE_CHECKING:
    from typer.exceptions import TyperException


def error_exit(error: SmithersError) -> int:
    """What the person can put right is 4, everything else 1."""
    return WRONG_USE if isinstance(error, InputError | AuthoringError | StoreMissing) else FAILED


def present(error: SmithersError, form: Form) -> int:
    """Says what went wrong, and returns the exit status."""
    wire = error.wire()
    if form is Form.json:
        Out(form).whole({"error": jsonable(wire)})
    else:
        Out().note(told(wire))
    return error_exit(error)


def told(wire: dict[str, Any]) -> str:
    """The message with its continuation lines indented, and the code for whoever looks it up."""
    first, *rest = str(wire["message"]).splitlines() or [""]
    return "\n".join([f"{red('error')}: {first}", *(f"       {line}" for line in rest), f"       [{wire['code']}]"])


def present_usage(error: TyperException, form: Form) -> int:
    """A command line that cannot be understood."""
    message = error.format_message()
    context: Any = getattr(error, "ctx", None)
    if form is Form.json:
        Out(form).whole({"error": {"code": "USAGE", "message": message, "data": {}}})
        return WRONG_USE
    lines = [f"{red('error')}: {message}"]
    if context is not None:
        usage = " ".join(context.get_usage().split()).removeprefix("Usage: ")
        lines += [f"       usage: {usage}", f"       `{context.command_path} --help` says more."]
    Out().note("\n".join(lines))
    return WRONG_USE


def present_bug(error: BaseException, form: Form) -> int:
    """Something that is nobody's fault but ours: the traceback goes to stderr."""
    traceback.print_exception(error)
    if form is Form.json:
        Out(form).whole(
            {"error": {"code": "INTERNAL_ERROR", "message": str(error) or type(error).__name__, "data": {}}}
        )
    Out().note(f"{red('error')}: this is a bug in Smithers; the lines above help to find it.")
    return FAILED


def jsonable(value: Any) -> Any:
    """Error data may hold anything an author raised: what JSON does not know is shown as text."""
    if isinstance(value, dict):
        return {str(key): jsonable(one) for key, one in value.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    if isinstance(value, list | tuple):
        return [jsonable(one) for one in value]  # pyright: ignore[reportUnknownVariableType]
    return value if value is None or isinstance(value, str | int | float) else repr(value)


def red(text: str) -> str:
    import os

    return f"\x1b[1;31m{text}\x1b[0m" if sys.stderr.isatty() and not os.environ.get("NO_COLOR") else text
