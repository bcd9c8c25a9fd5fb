"""The author's code as this process has it: the workflow, its modules, and the digest that names them."""

from __future__ import annotations

import difflib
import importlib
import threading
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, Final, cast

from smithers.errors import AuthoringError, WorkflowFileError
from smithers.flow.workflow import AnyWorkflow, Workflow
from smithers.worker import modules, sources
from smithers.worker.copies import written
from smithers.worker.sources import Territory

lock: Final = threading.Lock()
present: Final[dict[str, ModuleType]] = {}
"""Modules that the last `load` brought in."""


@dataclass(frozen=True, slots=True)
class LoadedCode:
    workflow: AnyWorkflow
    digest: str
    """Of everything in `files`, 64 hex digits. The same on every machine."""
    source: Path
    """The workflow file, absolute."""
    files: Mapping[str, bytes] = field(repr=False)
    """The sources by their path below the folder that holds all of them."""
    entry: str
    """The workflow file's name in `files`."""
    modules: Mapping[str, ModuleType] = field(repr=False)
    """The project's own modules by name. A later `load` of changed code does not change them."""

    def resolve(self, name: str) -> Any:
        """What `module:qualname` stands for in this code. Raises `WorkflowFileError` where it stands for nothing."""
        module, _, qualname = name.partition(":")
        try:
            found: Any = self.modules[module] if module in self.modules else importlib.import_module(module)
            for part in qualname.split("."):
                found = getattr(found, part)
        except (ImportError, AttributeError) as error:
            raise WorkflowFileError(
                f"{name} is not in the code {self.digest[:12]} of {self.source}: {error}. It was renamed or removed."
            ) from error
        return found

    def home(self, copies: Path) -> Path:
        """A workflow file with exactly these sources: the original while it is unchanged, else a copy.

        Copies are made once per digest, below `copies`.
        """
        if sources.is_unchanged(self.source, self.entry, self.files):
            return self.source
        return written(copies, self.digest, self.entry, self.files, self.source)


def load(path: Path) -> LoadedCode:
    """Imports the one workflow in a file. Loading again reads everything again, also what it imports.

    Raises `WorkflowFileError` for a file that is missing, has a syntax error, fails while it is imported, or holds no
    workflow or several; an `AuthoringError` of an element written at the top of the file comes through.
    """
    source = existing(path)
    territory = Territory(sources.project_root(source.parent), modules.package_root(source)[0])
    with lock:
        modules.drop(present)
        present.clear()
        before = set(territory.modules())
        try:
            module, finder = modules.execute(source, territory.owns)
            own = newcomers(territory, before)
            present.update(own)
            return taken(module, own, finder, territory, source)
        except BaseException as error:
            modules.drop(newcomers(territory, before))
            if isinstance(error, AuthoringError) or not isinstance(error, Exception | SystemExit):
                raise
            raise refused(source, territory, error) from error


def taken(
    module: ModuleType, own: Mapping[str, ModuleType], finder: modules.Finder, territory: Territory, source: Path
) -> LoadedCode:
    """The record of what was imported."""
    start = {file: name for name, one in own.items() if (file := sources.module_file(one)) is not None}
    files = sources.closure({**start, source: module.__name__}, territory, finder.kept)
    files.update((file, file.read_bytes()) for file in sources.prompt_files(source.parent))
    base, by_name = sources.named(files, territory.folder)
    entry = source.relative_to(base).as_posix()
    digest = sources.digest(entry, by_name)
    known = {name: one for name, one in territory.modules().items() if sources.module_file(one) in files}
    return LoadedCode(only_workflow(module, source), digest, source, by_name, entry, known)


def newcomers(territory: Territory, before: set[str]) -> dict[str, ModuleType]:
    return {name: module for name, module in territory.modules().items() if name not in before}


def existing(path: Path) -> Path:
    source = path.expanduser().absolute().resolve()
    if source.is_file() and source.suffix == ".py":
        return source
    if source.is_dir():
        raise WorkflowFileError(f"{path} is a folder: give the file with the @workflow in it.", file=str(source))
    if source.is_file():
        raise WorkflowFileError(f"{path} is not a Python file: its name must end in .py.", file=str(source))
    near = difflib.get_close_matches(source.name, [file.name for file in source.parent.glob("*.py")])
    hint = f" Did you mean {near[0]}?" if near else ""
    raise WorkflowFileError(f"There is no file {path} (looked for {source}).{hint}", file=str(source))


def only_workflow(module: ModuleType, source: Path) -> AnyWorkflow:
    """The workflow that the file defines, or the one it imports if it defines none."""
    found = [cast("AnyWorkflow", value) for value in vars(module).values() if isinstance(value, Workflow)]
    every = list({id(one): one for one in found}.values())
    own = [one for one in every if getattr(one.function, "__module__", None) == module.__name__]
    match own or every:
        case [one]:
            return one
        case []:
            raise WorkflowFileError(
                f"{source} has no workflow: write @workflow above the function that returns the tree.",
                code="WORKFLOW_MISSING_DEFAULT",
                file=str(source),
            )
        case several:
            names = ", ".join(f"{one.name} (line {one.where[1]})" for one in several)
            raise WorkflowFileError(
                f"{source} has {len(several)} workflows: {names}. Keep one in this file and move the others to files "
                "of their own.",
                code="WORKFLOW_AMBIGUOUS",
                file=str(source),
            )


def refused(source: Path, territory: Territory, error: BaseException) -> WorkflowFileError:
    """The error of an import, at the author's line."""
    if isinstance(error, SyntaxError) and error.filename and territory.owns(Path(error.filename)):
        shown = "".join(traceback.format_exception_only(error)[1:-1]).rstrip()
        file, line = error.filename, error.lineno or 1
        return WorkflowFileError(f"{file}:{line}: {type(error).__name__}: {error.msg}\n{shown}", file=file, line=line)
    file, line = author_frame(source, territory, error.__traceback__)
    why = f"{file}:{line}: {type(error).__name__}: {error}"
    if isinstance(error, ModuleNotFoundError) and error.name:
        why += f". It is neither beside {source.name} nor installed for this Python. Install it, or fix the name."
    if isinstance(error, SystemExit):
        why += ". The file must not exit when it is imported; put that below `if __name__ == '__main__':`."
    return WorkflowFileError(why, file=file, line=line)


def author_frame(source: Path, territory: Territory, frames: TracebackType | None) -> tuple[str, int]:
    """The innermost frame in the project's own files."""
    every = traceback.extract_tb(frames)
    own = [(frame.filename, frame.lineno or 1) for frame in every if territory.owns(Path(frame.filename))]
    return own[-1] if own else (str(source), 1)
