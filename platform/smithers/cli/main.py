"""The entry point: finds the command, imports that one module, and turns whatever comes out into an exit status.

Two things keep it quick. `--version` is answered before any library is imported, and a command is parsed by an
application that has only this one command; the others are names in `table.py`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any

from smithers.cli.argv import normalized
from smithers.cli.output import Form, OutputClosed, close_quietly
from smithers.cli.picking import WANTED, parsed, taken
from smithers.cli.status import FINISHED, INTERRUPTED, WRONG_USE
from smithers.cli.table import COMMANDS, GROUPS, Listed
from smithers.worker import loading

if TYPE_CHECKING:
    import typer

PROGRAM = "smithers"
NOT_HERE = frozenset({"--help", "--detach", "-d"})
"""Forms of `up` that run nothing in this process."""
COMPLETION = "_SMITHERS_COMPLETE"


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit status."""
    if argv is None:  # the process is ours alone
        loading.begin()
    words = list(sys.argv[1:] if argv is None else argv)
    open_streams()
    try:
        return answered(words)
    except OutputClosed:
        close_quietly(sys.stdout)
        return FINISHED
    except KeyboardInterrupt:
        return INTERRUPTED
    finally:
        let_go()


def let_go() -> None:
    """The SDK's native objects must go before the interpreter does: it may crash at exit otherwise, and then the exit
    status is wrong."""
    if "temporalio" in sys.modules:
        import gc

        gc.collect()


def open_streams() -> None:
    """Fills closed streams (`2>&-`) before anything else takes their numbers, and lets no letter fail to be written."""
    for fd in (0, 1, 2):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: PTH123, SIM115  for the life of the process
        else:
            stream.reconfigure(errors="backslashreplace")


def answered(argv: list[str]) -> int:
    """Carries out a command line, of whose answer `--filter-output` may want a part."""
    words, path = taken(argv)
    if path is None:
        return carried_out(words)
    from smithers.cli.present import present
    from smithers.errors import InputError

    try:
        token = WANTED.set(parsed(path))
    except InputError as error:
        return present(error, Form.json)
    try:
        return carried_out(words)
    finally:
        WANTED.reset(token)


def carried_out(words: list[str]) -> int:
    if words in (["--version"], ["-V"], ["version"]):
        import smithers

        print(smithers.__version__)
        return FINISHED
    words = joined(normalized(words, COMMANDS))
    if words and words[0] in COMMANDS and COMPLETION not in os.environ:
        with warm_worker(words):
            return run(lambda: single(COMMANDS[words[0]]), words[1:], f"{PROGRAM} {words[0]}", wanted_form(words))
    if words and not words[0].startswith("-") and COMPLETION not in os.environ:
        return unknown(words[0], wanted_form(words))
    return run(lambda: overview(full=COMPLETION in os.environ), words or ["--help"], PROGRAM, wanted_form(words))


def joined(words: list[str]) -> list[str]:
    """Makes one word of the two that name a command together."""
    both = " ".join(words[:2])
    return [both, *words[2:]] if both in COMMANDS else words


@contextmanager
def warm_worker(words: list[str]) -> Generator[None]:
    """Starts the worker process of `up` at once: its first imports take as long as parsing the command line does."""
    if words[0] != "up" or not NOT_HERE.isdisjoint(words):
        yield
        return
    from smithers.cli import guard

    guard.warm_up(" ".join(words[1:]))
    try:
        yield
    finally:
        guard.cool_down()


def wanted_form(words: list[str]) -> Form:
    """Read before parsing, because a command line that does not parse is an error that wants a form too."""
    pairs = zip(words, [*words[1:], ""], strict=True)
    is_json = any(word == "--format=json" or (word == "--format" and value == "json") for word, value in pairs)
    return Form.json if is_json else Form.plain


def run(app: Callable[[], typer.Typer], words: list[str], program: str, form: Form) -> int:
    from typer.exceptions import Abort, TyperException
    from typer.main import get_command

    from smithers.cli.coercing import leave_as_they_are
    from smithers.cli.present import present, present_bug, present_usage
    from smithers.errors import SmithersError

    try:
        command = get_command(app())
        leave_as_they_are(command)
        loading.loaded()
        status = command.main(args=words, prog_name=program, standalone_mode=False)
    except TyperException as error:
        return present_usage(error, form)
    except Abort:
        return INTERRUPTED
    except SmithersError as error:
        return present(error, form)
    except (OutputClosed, KeyboardInterrupt):
        raise
    except Exception as error:  # noqa: BLE001  the last place: whatever comes here is a bug of ours
        return present_bug(error, form)
    return status if isinstance(status, int) else FINISHED


def single(listed: Listed) -> typer.Typer:
    """An application with one command."""
    module = import_module(listed.module)
    if hasattr(module, "app"):  # a command with commands of its own
        return module.app
    app = application()
    command: Callable[..., Any] = module.command
    app.command(name=listed.name)(command)
    return app


def overview(*, full: bool) -> typer.Typer:
    """All commands: as names with their help for the overview, or in full for shell completion."""
    app = application()
    groups = {name: application() for name in GROUPS}
    for listed in COMMANDS.values():
        module = import_module(listed.module) if full else None
        if hasattr(module, "app"):
            app.add_typer(module.app, name=listed.name, help=listed.help)  # type: ignore[union-attr]
            continue
        command = module.command if module is not None else stub
        first, _, second = listed.name.partition(" ")
        to, name = (groups[first], second) if full and second else (app, listed.name)
        to.command(name=name, help=listed.help, rich_help_panel=listed.panel)(command)
    for name, group in groups.items() if full else ():
        app.add_typer(group, name=name)

    @app.callback(help="Long-running work by AI agents, written as a tree of tasks, run durably on Temporal.")
    def smithers(
        version: bool = typer_option("--version", help="Show the version."),
        form: Form = typer_option("--format", default=Form.plain, help="plain or json, for every command."),
        path: str = typer_option(
            "--filter-output", default="", help="Only what stands there in the JSON answer, such as runs[0].runId."
        ),
    ) -> None: ...

    return app


def typer_option(name: str, *, default: Any = False, help: str) -> Any:
    import typer

    return typer.Option(default, name, help=help)


def stub() -> None: ...


def application() -> typer.Typer:
    import typer

    markup = "rich" if sys.stdout.isatty() else None
    return typer.Typer(add_completion=False, rich_markup_mode=markup, pretty_exceptions_enable=False)


def unknown(word: str, form: Form) -> int:
    from difflib import get_close_matches

    from smithers.cli.present import present
    from smithers.errors import InputError

    also = {
        "run": "up",
        "resume": "up",
        "status": "ps",
        "list": "ps",
        "ls": "ps",
        "show": "inspect",
        "kill": "cancel",
        "rerun": "retry-task",
    }
    if word in GROUPS:
        names = ", ".join(f"`{PROGRAM} {name}`" for name in COMMANDS if name.startswith(f"{word} "))
        present(InputError(f"{PROGRAM} {word} takes one more word: {names}.", word=word), form)
        return WRONG_USE
    near = [also[word]] if word in also else get_close_matches(word, COMMANDS, n=2)
    hint = f" Did you mean {' or '.join(near)}?" if near else f" `{PROGRAM} --help` lists them."
    present(InputError(f"There is no command {word!r}.{hint}", word=word), form)
    return WRONG_USE


if __name__ == "__main__":
    sys.exit(main())
