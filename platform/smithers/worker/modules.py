"""How the author's modules get into the process: found beside the workflow file, compiled from the bytes that count.

The folder of a workflow file is not put on `sys.path`. A finder serves it instead, which stays, so that imports
inside functions keep working later and in any thread. It differs from the normal machinery in two points:

- It compiles what it reads and never uses `__pycache__`. Bytecode is judged by size and second of change, so a file
  that was edited twice within a second could otherwise run its old self, and the digest would name code that did
  not run.
- Names of the standard library are not looked for: a file called `queue.py` would be taken or not depending on what
  else was imported before.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import CodeType, ModuleType
from typing import Final

PREFIX: Final = "smithers_workflow_"
"""Of the module made of a workflow file. Its name depends on the file's name only, since commands keep it."""


class Loader(SourceFileLoader):
    """Keeps the bytes of each module it executes."""

    def __init__(self, fullname: str, path: str, kept: dict[Path, bytes]) -> None:
        super().__init__(fullname, path)
        self._kept = kept

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        data = self.get_data(path)
        self._kept[Path(path)] = data
        return self.source_to_code(data, path)


class Finder(MetaPathFinder):
    """Finds top-level modules in one folder, and what is inside the packages there."""

    def __init__(self, folder: Path, owns: Callable[[Path], bool]) -> None:
        self.folder = folder
        self.owns = owns
        self.kept: dict[Path, bytes] = {}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None, /
    ) -> ModuleSpec | None:
        if path is None:
            if fullname in sys.stdlib_module_names:
                return None
            places = [str(self.folder)]
        else:
            places = [place for place in path if self.owns(Path(place))]
            if not places:
                return None
        spec = PathFinder.find_spec(fullname, places, target)
        if spec is None or (spec.loader is None and path is None and PathFinder.find_spec(fullname) is not None):
            return None  # a folder without `__init__.py` gives way to a package installed elsewhere
        if isinstance(spec.loader, SourceFileLoader) and spec.origin is not None:
            spec.loader = Loader(fullname, spec.origin, self.kept)
        return spec


def install(folder: Path, owns: Callable[[Path], bool]) -> Finder:
    """Puts a finder for the folder first, in place of an older one for it."""
    finder = Finder(folder, owns)
    sys.meta_path[:] = [one for one in sys.meta_path if not (isinstance(one, Finder) and one.folder == folder)]
    sys.meta_path.insert(0, finder)
    importlib.invalidate_caches()
    return finder


def package_root(source: Path) -> tuple[Path, str]:
    """The folder to import from, and the name the file has there; empty for a file that is in no package."""
    parts = [source.stem]
    folder = source.parent
    while (folder / "__init__.py").is_file() and folder.name.isidentifier():
        parts.insert(0, folder.name)
        folder = folder.parent
    return folder, ".".join(parts) if len(parts) > 1 else ""


def execute(source: Path, owns: Callable[[Path], bool]) -> tuple[ModuleType, Finder]:
    """Imports the workflow file; `owns` says which files are the project's. What the import raises comes through."""
    folder, dotted = package_root(source)
    finder = install(folder, owns)
    if dotted:
        return importlib.import_module(dotted), finder
    name = PREFIX + "".join(c if c.isalnum() else "_" for c in source.stem)
    spec = spec_from_file_location(name, source, loader=Loader(name, str(source), finder.kept))
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[name] = module
    if source.stem not in sys.stdlib_module_names:
        # A neighbour that imports the workflow file by its own name must not get a second copy of its classes.
        sys.modules.setdefault(source.stem, module)
    spec.loader.exec_module(module)
    return module, finder


def drop(modules: dict[str, ModuleType]) -> None:
    """Takes modules out of the process, so that the next import reads them again. Code that has them keeps them."""
    for name, module in modules.items():
        if sys.modules.get(name) is module:
            del sys.modules[name]
