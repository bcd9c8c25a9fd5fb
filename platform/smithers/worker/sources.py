"""Which files are the code of a workflow, and what their digest is.

They are the workflow file, the project's own modules it imports, and everything in `prompts/` beside it. Imports are
read from the sources, so that those inside functions count before they happen; modules imported in ways that cannot
be read (by computed names) are added when the import of the workflow file has loaded them.
"""

from __future__ import annotations

import ast
import hashlib
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Final

from smithers.errors import WorkflowFileError

COPY: Final = ".smithers-sources"
"""A file at the top of a copy, see `copies.py`."""
MARKERS: Final = (COPY, "pyproject.toml", "setup.py", "setup.cfg", ".git")
INSTALLED: Final = frozenset({"site-packages", "dist-packages"})
PLATFORM: Final = ("smithers", "smithers_activities", "smithers_sandboxes", "smithers_observability")


def project_root(folder: Path) -> Path:
    """The nearest folder upwards that looks like a project's; the folder itself where none does."""
    return next((one for one in (folder, *folder.parents) if any((one / mark).exists() for mark in MARKERS)), folder)


@dataclass(frozen=True, slots=True)
class Territory:
    """Where the project's own files are."""

    root: Path
    folder: Path
    """What top-level imports are looked for in; within the root, or the root within it."""

    def owns(self, file: Path) -> bool:
        for home in (self.root, self.folder):
            if file.is_relative_to(home):
                inside = file.relative_to(home)
                return INSTALLED.isdisjoint(inside.parts) and not self._foreign(file)
        return False

    @staticmethod
    def _foreign(file: Path) -> bool:
        """A virtual environment inside the project, or the platform itself where it is developed."""
        if sys.prefix != sys.base_prefix and file.is_relative_to(sys.prefix):
            return True
        homes = (module_file(sys.modules[name]) for name in PLATFORM if name in sys.modules)
        return any(home is not None and file.is_relative_to(home.parent) for home in homes)

    def places(self) -> list[Path]:
        """Folders that imports are looked for in."""
        entries = (Path(entry or ".").absolute() for entry in sys.path)
        return list(dict.fromkeys((self.folder, *(one for one in entries if one.is_relative_to(self.root)))))

    def modules(self) -> dict[str, ModuleType]:
        """The project's own modules that are in the process now."""
        found: dict[str, ModuleType] = {}
        homes = (str(self.root), str(self.folder))  # a thousand modules are looked at: paths only for the few that fit
        for name, module in list(sys.modules.items()):
            file = getattr(module, "__file__", None)
            if isinstance(file, str) and file.startswith(homes) and self.owns(Path(file)):
                found[name] = module
        return found


def module_file(module: ModuleType) -> Path | None:
    file = getattr(module, "__file__", None)
    return Path(file) if isinstance(file, str) else None


def imported(tree: ast.AST, package: str) -> Iterator[str]:
    """Full names that a source imports, at any depth; of `from a import b` both `a` and `a.b`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*filter(None, parts), *([node.module] if node.module else [])])
            yield from (name for name in (base, *(f"{base}.{alias.name}".strip(".") for alias in node.names)) if name)


def files_of(name: str, places: Iterable[Path]) -> list[tuple[str, Path]]:
    """The packages around a module and the module itself, as names and files, in the first place that has them."""
    parts = name.split(".")
    if parts[0] in sys.stdlib_module_names:
        return []
    for place in places:
        found: list[tuple[str, Path]] = []
        for length in range(1, len(parts) + 1):
            stem = place.joinpath(*parts[:length])
            candidates = (stem / "__init__.py", stem.with_name(stem.name + ".py"))
            found += [(".".join(parts[:length]), file) for file in candidates if file.is_file()][:1]
        if found:
            return found
    return []


def closure(start: Mapping[Path, str], territory: Territory, kept: Mapping[Path, bytes]) -> dict[Path, bytes]:
    """The sources reachable by imports from the given files (each with its module's name). Prefers kept bytes."""
    places = territory.places()
    found: dict[Path, bytes] = {}
    waiting = dict(start)
    while waiting:
        file, name = waiting.popitem()
        found[file] = kept[file] if file in kept else file.read_bytes()
        if file.suffix != ".py":
            continue
        package = name if file.name == "__init__.py" else name.rpartition(".")[0]
        for wanted in imported(ast.parse(found[file], str(file)), package):
            for module, path in files_of(wanted, places):
                if path not in found and territory.owns(path):
                    check_hidden(module, path, file)
                    waiting[path] = module
    return found


def check_hidden(name: str, path: Path, importer: Path) -> None:
    """Raises `WorkflowFileError` where another module of that name was there first, and was taken instead."""
    loaded = module_file(sys.modules[name]) if name in sys.modules else None
    if loaded is not None and loaded.resolve() != path.resolve():
        raise WorkflowFileError(
            f"{importer} imports {name!r}, which is {path}, but this process has another module of that name, "
            f"{loaded}. Rename the file.",
            file=str(importer),
        )


def is_installed(place: Path) -> bool:
    """Whether a folder that modules are found in is no part of a project, wherever it lies."""
    in_environment = sys.prefix != sys.base_prefix and place.is_relative_to(sys.prefix)
    return in_environment or not INSTALLED.isdisjoint(place.parts) or any((place / name).is_dir() for name in PLATFORM)


def is_unchanged(source: Path, entry: str, files: Mapping[str, bytes]) -> bool:
    """Whether the files around a workflow file are these, and there are no other prompts. Imports nothing."""
    source = source.resolve()  # as it is when a digest is made
    above, depth = source.parents, entry.count("/")
    if depth >= len(above):
        return False
    base = above[depth]
    prompts = {file.relative_to(base).as_posix() for file in prompt_files(source.parent)}
    try:
        return prompts <= files.keys() and all((base / name).read_bytes() == data for name, data in files.items())
    except OSError:
        return False


def prompt_files(folder: Path) -> list[Path]:
    """Everything in `prompts/` but hidden files."""
    prompts = folder / "prompts"
    inside = (file for file in prompts.rglob("*") if file.is_file())
    return sorted(f for f in inside if not any(part.startswith(".") for part in f.relative_to(prompts).parts))


def named(files: Mapping[Path, bytes], folder: Path) -> tuple[Path, dict[str, bytes]]:
    """The folder that holds all files and `folder`, and the files by their path in it: the same on any machine."""
    base = Path(os.path.commonpath([str(folder), *(str(file.parent) for file in files)]))
    return base, {file.relative_to(base).as_posix(): files[file] for file in sorted(files)}


def digest(entry: str, files: Mapping[str, bytes]) -> str:
    total = hashlib.sha256(entry.encode())
    for name in sorted(files):
        total.update(f"\0{name}\0{len(files[name])}\0".encode())
        total.update(files[name])
    return total.hexdigest()
