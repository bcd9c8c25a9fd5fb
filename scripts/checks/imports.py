"""Imports point one way, and the pure part stays pure. The rules are data, in `layers.py`."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from scripts.checks import layers
from scripts.checks.finding import Finding, Report
from scripts.checks.tree import SHIPPED, Source, Tree


@dataclass(frozen=True, slots=True)
class Import:
    """One name that a file imports. `line` is where."""

    target: str
    line: int


@dataclass(frozen=True, slots=True)
class Rules:
    layers: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: layers.LAYERS)
    exceptions: Mapping[tuple[str, str], str] = field(default_factory=lambda: layers.EXCEPTIONS)


def check(tree: Tree, rules: Rules | None = None) -> Report:
    """Looks at every import, wherever in a file it stands: a late or a typing-only import is a dependency too."""
    rules = rules or Rules()
    sources = [source for source in tree.sources if source.folder in SHIPPED]
    used: set[tuple[str, str]] = set()
    findings = [finding for source in sources for finding in judge(source, rules, used)]
    present = {source.module for source in sources}
    for module, target in rules.exceptions:
        if module in present and (module, target) not in used:
            findings.append(Finding("scripts/checks/layers.py", 0, f"exception {module} -> {target} is not needed"))
    return Report(tuple(sorted(findings)), f"{len(sources)} modules in {len(rules.layers)} layers")


def judge(source: Source, rules: Rules, used: set[tuple[str, str]]) -> Iterator[Finding]:
    """All findings of one file; notes in `used` which exceptions it makes use of."""
    layer = home(source.module, rules.layers)
    if not layer:
        yield Finding(
            source.path, 0, f"{source.module} has no line in scripts/checks/layers.py: say what it may import"
        )
        return
    for one in imports(source.tree):
        for target, complaint in complaints(layer, one.target, rules.layers):
            excuse = (source.module, target)
            if excuse in rules.exceptions:
                used.add(excuse)
            else:
                yield Finding(source.path, one.line, complaint)
    if layer in layers.PURE:
        yield from clock_readings(source)


def complaints(layer: str, target: str, table: Mapping[str, tuple[str, ...]]) -> Iterator[tuple[str, str]]:
    """Pairs of what an exception would have to name, and what is wrong."""
    top = target.partition(".")[0]
    if layer in layers.PURE and top in layers.IMPURE:
        yield top, f"{layer} is pure and imports {target}: take what it needs as an argument"
    for module, homes in layers.ONLY_IN.items():
        if within(target, module) and layer not in homes:
            yield module, f"{layer} imports {target}, which belongs to {' and '.join(homes) or 'nobody'}"
    there = home(target, table)
    if there and there != layer and there not in (*table[layer], *layers.FREE):
        yield there, f"{layer} imports {target}: imports point the other way"


def home(module: str, table: Mapping[str, tuple[str, ...]]) -> str:
    """The layer a module belongs to: the longest entry that contains it; empty for foreign and unknown modules.

    `smithers` itself holds the package's `__init__` only: a module or package in it has a line of its own.
    """
    parts = module.split(".")
    for length in range(len(parts), 0, -1):
        name = ".".join(parts[:length])
        if name in table:
            return "" if name == "smithers" and length < len(parts) and parts[length].islower() else name
    return ""


def within(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def imports(tree: ast.Module) -> Iterator[Import]:
    """Every module that is imported by name, also by a constant given to `import_module`."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (Import(alias.name, node.lineno) for alias in names)
            case ast.ImportFrom(module=str(module), names=names, level=0):
                yield from from_import(module, names, node.lineno)
            case ast.ImportFrom(level=level) if level:
                yield Import("." * level, node.lineno)  # ruff refuses these
            case ast.Call(func=function, args=[ast.Constant(value=str(module)), *_]) if is_importer(function):
                yield Import(module, node.lineno)
            case _:
                pass


def from_import(module: str, names: list[ast.alias], line: int) -> Iterator[Import]:
    """`from smithers import store` imports a package as `import smithers.store` does; a class has a capital."""
    if module != "smithers" and not module.startswith("sqlalchemy"):
        yield Import(module, line)
        return
    for alias in names:
        yield Import(f"{module}.{alias.name}", line)


def is_importer(function: ast.expr) -> bool:
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    return name in ("import_module", "__import__")


def clock_readings(source: Source) -> Iterator[Finding]:
    for node in ast.walk(source.tree):
        match node:
            case ast.Call(func=ast.Attribute(value=value, attr=attr)) if attr in layers.CLOCKS:
                name = value.attr if isinstance(value, ast.Attribute) else getattr(value, "id", "")
                if name in ("datetime", "date"):
                    yield Finding(
                        source.path, node.lineno, f"{source.module} reads the clock: take the time as an argument"
                    )
            case _:
                pass
