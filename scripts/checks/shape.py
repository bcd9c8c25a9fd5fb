"""The shape of the code: sizes above which a reader loses the thread are findings, aims are reported.

Counting: a file's lines are all its lines; a function runs from `def` to its last line, docstring included, and
functions inside it are counted by themselves; nesting counts `if`, `for`, `while`, `with`, `try` and `match` within one
function, and neither `elif` nor `case` nests deeper. A function's parameters are all that can be given to it, without
self and cls; a dataclass's fields are no parameters. Where a framework makes parameters of something else (a command
line's options), the `def` line says so: `# shape: parameters: one per option`. The other limits have no exception.
"""

from __future__ import annotations

import ast
import re
import statistics
from collections.abc import Iterator
from dataclasses import dataclass

from scripts.checks.finding import Finding, Report
from scripts.checks.tree import SHIPPED, Source, Tree

FunctionDef = ast.FunctionDef | ast.AsyncFunctionDef
EXCUSE = re.compile(r"#\s*shape: parameters: \S+")


@dataclass(frozen=True, slots=True)
class Limits:
    file_lines: int = 600
    function_lines: int = 70
    nesting: int = 4
    parameters: int = 6
    names: int = 20
    """What a package's `__init__` gives."""


AIMS = "aims: files 150/400, functions 8/28"


def check(tree: Tree, limits: Limits | None = None) -> Report:
    limits = limits or Limits()
    findings = [finding for source in tree.sources for finding in judge(source, limits)]
    findings += [
        Finding(path, 0, "hides the standard library's `platform` from everything started here: remove it")
        for path in tree.files
        if path == "platform/__init__.py"
    ]
    return Report(tuple(sorted(findings)), summary(tree))


def judge(source: Source, limits: Limits) -> Iterator[Finding]:
    lines = len(source.lines)
    if lines > limits.file_lines:
        yield Finding(source.path, 0, f"{lines} lines, at most {limits.file_lines}: which second concept is in it?")
    if source.path.endswith("/__init__.py") and source.module != "smithers":
        given = len(names_given(source.tree))
        if given > limits.names:
            yield Finding(source.path, 0, f"gives {given} names, at most {limits.names}")
    for function in functions(source.tree):
        yield from judge_function(source, function, limits)


def judge_function(source: Source, function: FunctionDef, limits: Limits) -> Iterator[Finding]:
    def found(message: str) -> Finding:
        return Finding(source.path, function.lineno, f"{function.name}: {message}")

    lines = length(function)
    if lines > limits.function_lines:
        yield found(f"{lines} lines, at most {limits.function_lines}")
    depth = nesting(function.body)
    if depth > limits.nesting:
        yield found(f"nested {depth} deep, at most {limits.nesting}")
    count = len(parameters(function))
    excused = is_excused(source, function)
    if count > limits.parameters and not excused:
        yield found(f"{count} parameters, at most {limits.parameters}: put them into a frozen spec")
    if count <= limits.parameters and excused:
        yield found("its `# shape: parameters` comment is not needed")


def functions(tree: ast.Module) -> Iterator[FunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, FunctionDef))


def length(function: FunctionDef) -> int:
    return (function.end_lineno or function.lineno) - function.lineno + 1


def parameters(function: FunctionDef) -> list[str]:
    given = function.args
    names = [one.arg for one in (*given.posonlyargs, *given.args)]
    if names and names[0] in ("self", "cls"):
        names = names[1:]
    names += [one.arg for one in given.kwonlyargs]
    return names + [one.arg for one in (given.vararg, given.kwarg) if one is not None]


def is_excused(source: Source, function: FunctionDef) -> bool:
    header = source.lines[function.lineno - 1 : max(function.lineno, function.body[0].lineno - 1)]
    return any(EXCUSE.search(line) for line in header)


def nesting(body: list[ast.stmt]) -> int:
    """The deepest nesting of blocks below these statements."""
    return max((deeper(statement) for statement in body), default=0)


def deeper(statement: ast.stmt) -> int:
    match statement:
        case ast.If(body=body, orelse=[ast.If() as other]) if other.col_offset == statement.col_offset:
            return max(1 + nesting(body), deeper(other))  # an `elif`
        case ast.If(body=body, orelse=orelse) | ast.For(body=body, orelse=orelse):
            return 1 + max(nesting(body), nesting(orelse))
        case ast.AsyncFor(body=body, orelse=orelse) | ast.While(body=body, orelse=orelse):
            return 1 + max(nesting(body), nesting(orelse))
        case ast.With(body=body) | ast.AsyncWith(body=body):
            return 1 + nesting(body)
        case ast.Match(cases=cases):
            return 1 + max(nesting(case.body) for case in cases)
        case ast.Try() | ast.TryStar():
            handlers = [nesting(handler.body) for handler in statement.handlers]
            return 1 + max(
                nesting(statement.body), nesting(statement.orelse), nesting(statement.finalbody), *handlers, 0
            )
        case _:
            return 0


def names_given(tree: ast.Module) -> set[str]:
    """Public names of a module: `__all__` where it is a plain list, else all that is bound at its top."""
    bound: set[str] = set()
    for statement in tree.body:
        listed = all_list(statement)
        if listed is not None:
            return listed
        bound |= set(bindings(statement))
    return {name for name in bound if not name.startswith("_")}


def all_list(statement: ast.stmt) -> set[str] | None:
    match statement:
        case ast.Assign(targets=[ast.Name(id="__all__")], value=ast.List(elts=names) | ast.Tuple(elts=names)):
            return {name.value for name in names if isinstance(name, ast.Constant) and isinstance(name.value, str)}
        case _:
            return None


def bindings(statement: ast.stmt) -> Iterator[str]:
    match statement:
        case ast.ImportFrom(module="__future__"):
            return
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            yield from (alias.asname or alias.name.partition(".")[0] for alias in names)
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
        case ast.Assign(targets=targets):
            yield from (target.id for target in targets if isinstance(target, ast.Name))
        case ast.AnnAssign(target=ast.Name(id=name)):
            yield name
        case ast.If(body=body, orelse=orelse):  # `if TYPE_CHECKING`
            for inner in (*body, *orelse):
                yield from bindings(inner)
        case _:
            return


def summary(tree: Tree) -> str:
    """Median and 90th percentile of what ships, against the aims."""
    shipped = [source for source in tree.sources if source.folder in SHIPPED and source.lines]
    files = [len(source.lines) for source in shipped]
    lengths = [length(function) for source in shipped for function in functions(source.tree)]
    if not files or not lengths:
        return "nothing ships yet"
    return f"{len(files)} files {middle(files)}, {len(lengths)} functions {middle(lengths)} lines (median/p90; {AIMS})"


def middle(values: list[int]) -> str:
    ninetieth = sorted(values)[min(len(values) - 1, int(len(values) * 0.9))]
    return f"{statistics.median(values):.0f}/{ninetieth}"
