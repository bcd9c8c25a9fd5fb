"""Every effect stands between two fault points, so that tests can crash a process before and after it.

What an effect is stands in `EFFECTS`: a call by its name, in the packages where that name means one. Whoever writes a
new one puts `faults.before(PLACE)` and `faults.after(PLACE)` around it, each below `if faults.armed:`, and its place
into the registry (`smithers/store/faults.py`); or gives a reason here why a crash around it is like any other.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Final

from scripts.checks.finding import Finding, Report
from scripts.checks.tree import Source, Tree
from smithers.store.faults import FAMILIES, SINGLE

REGISTRY: Final = "smithers.store.faults"
EFFECTS: Final[dict[str, tuple[str, ...]]] = {
    "smithers.store": ("commit", "execute('COMMIT')", "transaction", "begin_transaction", "_write_log", "write"),
    "smithers.temporal.server": (),
    "smithers.temporal": (
        "workflow.continue_as_new", "execute_activity", "start_child_workflow", "execute_child_workflow",
        "start_workflow", "fail", "fresh.replace", "create_schedule", "handle.update", "delete", "trigger", "backfill",
        "bodies.run",
    ),
}  # fmt: skip
"""By package: names of what is called. With a dot: of what it is called on, too."""
SCHEDULE: Final = "changes Temporal's copy of a schedule, which is handed over anew whenever a worker starts"
STARTS: Final = "one order of the driver's, which stands between the points of `take_up`"
SCHEDULED: Final = "Temporal's own record of a time that fell due; the run is made once, whoever tries again"
NO_FACT: Final = "no fact; the transaction has the points of its commit"
EXCEPTIONS: Final[dict[tuple[str, str], str]] = {
    ("smithers.store.memory", "MemoryDatabase.commit"): "called between the points of the group's commit",
    ("smithers.store.sqlite", "Writer.commit"): "called between the points of the group's commit",
    ("smithers.store.migrations.env", ""): "one transaction for each step of an upgrade, which is begun anew",
    ("smithers.store.sql_store", "SqlStore._write_log"): "called between the points of the facts",
    ("smithers.store.sql_store", "SqlStore.raise_epochs"): "after a restore, which is begun anew",
    ("smithers.store.sql_store", "SqlStore.delete_run"): NO_FACT,
    ("smithers.store.sql_store", "SqlStore.clear_cache"): NO_FACT,
    ("smithers.store.sql_store", "SqlStore.write_sources"): NO_FACT,
    ("smithers.store.sql_store", "SqlStore.write_blob"): NO_FACT,
    ("smithers.store.sql_store", "SqlStore.write_log_lines"): NO_FACT,
    ("smithers.store.sql_store", "SqlStore.write_snapshot"): NO_FACT,
    ("smithers.store.sql_store", "SqlStore.write_schedule"): NO_FACT,
    ("smithers.store.sql_store", "SqlStore.delete_schedule"): NO_FACT,
    ("smithers.store.sql_store", "SqlStore.note_start"): NO_FACT,
    ("smithers.store.codes", "Codes.number"): NO_FACT,
    (
        "smithers.temporal.driver",
        "Driver.continue_as_new",
    ): "it does not return; the next driver passes the point after",
    ("smithers.temporal.driver", "step"): STARTS,
    ("smithers.temporal.driver", "Driver.carry_out_child"): STARTS,
    ("smithers.temporal.scheduled", "Scheduled.run"): SCHEDULED,
    ("smithers.temporal.scheduled", "drive"): SCHEDULED,
    ("smithers.temporal.scheduled", "until_over"): SCHEDULED,
    ("smithers.temporal.schedules", "hand_over"): SCHEDULE,
    ("smithers.temporal.schedules", "remove"): SCHEDULE,
    ("smithers.temporal.schedules", "trigger"): SCHEDULE,
    ("smithers.temporal.schedules", "backfill"): SCHEDULE,
}
"""(module, function) -> why its effects have no points of their own. One that is not needed any more is a finding."""


@dataclass(frozen=True, slots=True)
class Rules:
    effects: dict[str, tuple[str, ...]] = field(default_factory=lambda: EFFECTS)
    exceptions: dict[tuple[str, str], str] = field(default_factory=lambda: EXCEPTIONS)
    single: Collection[str] = tuple(SINGLE)
    families: Collection[str] = tuple(FAMILIES)


@dataclass(frozen=True, slots=True)
class Point:
    side: str
    place: str
    """The first word: a single place, or a family."""
    line: int


def check(tree: Tree, rules: Rules | None = None) -> Report:
    rules = rules or Rules()
    sources = [source for source in tree.sources if source.folder == "platform" and source.module != REGISTRY]
    findings: list[Finding] = []
    used: set[tuple[str, str]] = set()
    standing: set[tuple[str, str]] = set()
    effects = 0
    for source in sources:
        for name, function in functions(source.tree):
            points = list(points_of(function))
            standing |= {(point.place, point.side) for point in points}
            findings += misplaced(source, function, points, rules)
            bare = [call for call in effects_of(source, function, rules) if not is_between(call, points)]
            effects += len(list(effects_of(source, function, rules)))
            if bare and (source.module, name) in rules.exceptions:
                used.add((source.module, name))
            else:
                findings += [Finding(source.path, one.lineno, complaint(one)) for one in bare]
    findings += unneeded(sources, rules, used, standing)
    return Report(
        tuple(sorted(findings)), f"{effects} effects, {len(rules.single) + len(rules.families)} kinds of places"
    )


def complaint(call: ast.AST) -> str:
    return (
        f"`{ast.unparse(call).partition('(')[0]}(...)` has an effect and does not stand between `faults.before(PLACE)` "
        "and `faults.after(PLACE)`: no test can crash here. See scripts/checks/points.py"
    )


def functions(tree: ast.Module) -> Iterator[tuple[str, ast.AST]]:
    """Outermost functions and methods, with their names; what is defined inside belongs to them."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, node
        elif isinstance(node, ast.ClassDef):
            for inner in node.body:
                if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef):
                    yield f"{node.name}.{inner.name}", inner
        else:
            yield "", node


def points_of(function: ast.AST) -> Iterator[Point]:
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            on, side = node.func.value, node.func.attr
            if isinstance(on, ast.Name) and on.id == "faults" and side in ("before", "after") and node.args:
                first = node.args[0]
                place = str(first.value) if isinstance(first, ast.Constant) else ""
                yield Point(side, f"{place}." if len(node.args) > 1 else place, node.lineno)


def misplaced(source: Source, function: ast.AST, points: list[Point], rules: Rules) -> Iterator[Finding]:
    """Points that are not in the registry, or cost something while nothing is armed."""
    known = {*rules.single, *(f"{family}." for family in rules.families)}
    guarded = {
        inner.lineno
        for node in ast.walk(function)
        if isinstance(node, ast.If) and "faults.armed" in ast.unparse(node.test)
        for one in node.body
        for inner in ast.walk(one)
        if isinstance(inner, ast.Call)
    }
    for point in points:
        if point.place not in known:
            yield Finding(source.path, point.line, f"the place {point.place!r} is not in the registry ({REGISTRY})")
        if point.line not in guarded:
            yield Finding(source.path, point.line, "a point stands below `if faults.armed:`, so that it costs nothing")


def effects_of(source: Source, function: ast.AST, rules: Rules) -> Iterator[ast.expr]:
    names = next((names for package, names in rules.effects.items() if source.module.startswith(f"{package}.")), ())
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and is_effect(node, names):
            yield node


def is_effect(call: ast.Call, names: Collection[str]) -> bool:
    if not isinstance(call.func, ast.Attribute):
        return False
    on = ast.unparse(call.func.value)
    if call.func.attr == "execute":
        return ast.unparse(call).endswith("execute('COMMIT')") and "execute('COMMIT')" in names
    if call.func.attr == "write" and not on.endswith("_database"):
        return False
    return call.func.attr in names or f"{on}.{call.func.attr}" in names


def is_between(call: ast.expr, points: list[Point]) -> bool:
    """Whether one place has a point before and one after the call. A transaction is committed at the end of its block,
    so that the point before it may stand below the call."""
    ends = call.end_lineno or call.lineno
    is_block = isinstance(call, ast.Call) and ast.unparse(call.func).endswith("transaction")
    places = {point.place for point in points}
    for place in places:
        first = [point.line for point in points if (point.place, point.side) == (place, "before")]
        last = [point.line for point in points if (point.place, point.side) == (place, "after")]
        if is_block and any(call.lineno < one < two for one in first for two in last):
            return True
        if not is_block and any(one < call.lineno for one in first) and any(ends < two for two in last):
            return True
    return False


def unneeded(
    sources: list[Source], rules: Rules, used: set[tuple[str, str]], standing: set[tuple[str, str]]
) -> Iterator[Finding]:
    present = {source.module for source in sources}
    for module, name in rules.exceptions:
        if module in present and (module, name) not in used:
            yield Finding("scripts/checks/points.py", 0, f"exception {module}, {name} is not needed")
    if REGISTRY.rpartition(".")[0] + ".sql_store" not in present:
        return  # a part of a repository
    for place in (*rules.single, *(f"{family}." for family in rules.families)):
        for side in ("before", "after"):
            if (place, side) not in standing:
                yield Finding("platform/smithers/store/faults.py", 0, f"nothing stands at {place.rstrip('.')}.{side}")
