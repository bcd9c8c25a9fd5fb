"""Small changes of a source that change what it means: what a tired person might have written instead.

Only the insides of functions are changed, and not what nobody promises: messages, assertions, annotations, logging,
fault points. Texts stay as they are: most are words for people.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

SWAPPED: Final[dict[type[ast.cmpop], str]] = {
    ast.Lt: "<=", ast.LtE: "<", ast.Gt: ">=", ast.GtE: ">", ast.Eq: "!=", ast.NotEq: "==",
    ast.Is: "is not", ast.IsNot: "is", ast.In: "not in", ast.NotIn: "in",
}  # fmt: skip
SILENT: Final = ("log", "logging", "warnings", "faults")
"""Calls on these are for people who look on, or for tests."""
SKIPPED: Final = (ast.Raise, ast.Assert, ast.JoinedStr)


@dataclass(frozen=True, slots=True)
class Change:
    """One piece of a file, and what stands there instead."""

    path: str
    """Relative to the repository's root."""
    line: int
    function: str
    """Its qualified name in the file."""
    start: int
    """In bytes of the file."""
    end: int
    before: str
    after: str

    def apply(self, data: bytes) -> bytes:
        return data[: self.start] + self.after.encode() + data[self.end :]

    @property
    def identity(self) -> tuple[str, str, str, str]:
        """What stays the same when lines above it come and go."""
        return self.path, self.function, self.before, self.after

    def diff(self, data: bytes) -> str:
        first = data.rfind(b"\n", 0, self.start) + 1
        last = data.find(b"\n", self.end)
        old = data[first:last].decode()
        new = (data[first : self.start] + self.after.encode() + data[self.end : last]).decode()
        lines = [f"-{line}" for line in old.split("\n")] + [f"+{line}" for line in new.split("\n")]
        return "\n".join([f"{self.path}:{self.line}  in {self.function}", *lines])


@dataclass(frozen=True, slots=True)
class Source:
    path: str
    data: bytes
    starts: tuple[int, ...]
    """Of each line, in bytes."""

    @classmethod
    def of(cls, path: str, data: bytes) -> Source:
        starts = [0]
        for line in data.splitlines(keepends=True):
            starts.append(starts[-1] + len(line))
        return cls(path, data, tuple(starts))

    def change(self, node: ast.expr | ast.stmt, after: str, function: str) -> Change:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        start = self.starts[node.lineno - 1] + node.col_offset
        end = self.starts[node.end_lineno - 1] + node.end_col_offset
        return Change(self.path, node.lineno, function, start, end, self.data[start:end].decode(), after)

    def text(self, node: ast.AST) -> str:
        return ast.get_source_segment(self.data.decode(), node) or ast.unparse(node)


def changes(path: str, data: bytes) -> list[Change]:
    """Every change of a file that makes sense, in the order of the file."""
    source = Source.of(path, data)
    found = [change for name, function in functions(ast.parse(data)) for change in inside(source, function, name)]
    return sorted(found, key=lambda change: (change.start, change.end, change.after))


def functions(tree: ast.AST, above: str = "") -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Outermost ones; what is defined inside is changed with them."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield f"{above}{node.name}", node
        elif isinstance(node, ast.ClassDef):
            yield from functions(node, f"{above}{node.name}.")


def inside(source: Source, function: ast.AST, name: str) -> Iterator[Change]:
    body = function.body if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef) else []
    todo: list[ast.AST] = list(body)
    while todo:
        node = todo.pop()
        if isinstance(node, SKIPPED) or is_silent(node):
            continue
        yield from of_node(source, node, name)
        todo += [child for child in ast.iter_child_nodes(node) if not is_typing(node, child)]


def is_silent(node: ast.AST) -> bool:
    if isinstance(node, ast.If) and ast.unparse(node.test).startswith("faults.armed"):
        return True
    call = node.value if isinstance(node, ast.Expr) else node
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
        return False
    return isinstance(call.func.value, ast.Name) and call.func.value.id in SILENT


def is_typing(parent: ast.AST, child: ast.AST) -> bool:
    """Annotations, decorators and defaults: not carried out where they stand, or not when a test runs."""
    if isinstance(parent, ast.AnnAssign):
        return child is parent.annotation
    if isinstance(parent, ast.FunctionDef | ast.AsyncFunctionDef):
        return child not in parent.body
    return False


def of_node(source: Source, node: ast.AST, name: str) -> Iterator[Change]:
    match node:
        case ast.If(test=test) | ast.While(test=test) | ast.IfExp(test=test):
            yield source.change(test, f"(not ({source.text(test)}))", name)
        case ast.comprehension(ifs=[test, *_]):
            yield source.change(test, f"(not ({source.text(test)}))", name)
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            yield source.change(node, f"{source.text(left)} {SWAPPED[type(op)]} {source.text(right)}", name)
        case ast.BoolOp(op=op, values=values):
            word = " or " if isinstance(op, ast.And) else " and "
            yield source.change(node, "(" + word.join(f"({source.text(value)})" for value in values) + ")", name)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield source.change(node, f"({source.text(operand)})", name)
        case ast.Constant(value=bool() as value):
            yield source.change(node, str(not value), name)
        case ast.Constant(value=int() as value):
            yield source.change(node, str(value + 1), name)
        case ast.BinOp(op=ast.Sub(), left=left, right=right):
            yield source.change(node, f"({source.text(left)} + {source.text(right)})", name)
        case ast.Expr(value=ast.Call() | ast.Await()) | ast.AugAssign() | ast.Delete():
            yield source.change(node, "pass", name)
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]):
            yield source.change(node, "pass", name)
        case _:
            pass
