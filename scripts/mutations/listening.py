"""A pytest plugin: notes which tests show which behaviours, and which lines of the platform they carry out.

    pytest -p scripts.mutations.listening --behaviours FILE [--lines]

Tests that need a real server are left out: they would make a trial a hundred times as long.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Generator
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, Final, cast

import pytest

SLOW: Final = ("temporal", "postgres")
"""Words in square brackets behind a test's name."""
Trace = Callable[[FrameType, str, Any], Any]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--behaviours", type=Path, help="write here what was found")
    parser.addoption("--lines", action="store_true", help="run the tests, and note the lines that they carry out")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("behaviours") is not None:
        config.pluginmanager.register(Listener(config), "listener")


def rows_of(item: pytest.Item) -> list[str]:
    """Of the behaviour tables, and decisions: what users get beyond the tables is described there."""
    decided = [f"decision {number}" for mark in item.iter_markers("decision") for number in mark.args]
    return [row for mark in item.iter_markers("feature") for row in mark.args] + decided


def is_quick(item: pytest.Item) -> bool:
    parameters = item.name.partition("[")[2].rstrip("]").split("-")
    return not set(parameters) & set(SLOW) and not any(item.iter_markers("chaos"))


class Ear:
    """What one test carries out. A function is listened to until all of its lines were heard: most soon are."""

    def __init__(self, above: str) -> None:
        self.above = above
        self.known: dict[int, tuple[CodeType, Trace | None]] = {}
        """By the id of a code object, which stays alive here; None where nobody listens."""
        self.unheard: dict[int, set[int]] = {}

    def call(self, frame: FrameType, _event: str, _value: Any) -> Trace | None:
        code = frame.f_code
        found = self.known.get(id(code)) or self.meet(code)
        if found[1] is not None:
            found[1](frame, "line", None)
        return found[1]

    def meet(self, code: CodeType) -> tuple[CodeType, Trace | None]:
        trace = self.listener(code) if code.co_filename.startswith(self.above) else None
        found = self.known[id(code)] = code, trace
        return found

    def listener(self, code: CodeType) -> Trace:
        unheard = self.unheard[id(code)] = lines_of(code)

        def line(frame: FrameType, _event: str, _value: Any) -> Any:
            unheard.discard(frame.f_lineno)
            if not unheard:
                self.known[id(code)] = code, None
            return line

        return line

    def lines(self) -> dict[str, set[int]]:
        heard: dict[str, set[int]] = {}
        for known, unheard in list(self.unheard.items()):
            code = self.known[known][0]
            heard.setdefault(code.co_filename, set()).update(lines_of(code) - unheard)
        return heard


def lines_of(code: CodeType) -> set[int]:
    return {line for _, _, line in code.co_lines() if line}


class Listener:
    def __init__(self, config: pytest.Config) -> None:
        self.file = cast("Path", config.getoption("behaviours"))
        self.listens = bool(config.getoption("lines"))
        self.above = str(config.rootpath / "platform" / "smithers")
        self.root = f"{config.rootpath}/"
        self.rows: dict[str, list[str]] = {}
        self.lines: dict[str, dict[str, list[int]]] = {}

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        chosen = [item for item in items if rows_of(item) and is_quick(item)]
        config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
        items[:] = chosen
        self.rows = {item.nodeid: rows_of(item) for item in items}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None]:
        if not self.listens:
            return (yield)
        ear = Ear(self.above)
        threading.settrace(ear.call)
        sys.settrace(ear.call)
        try:
            return (yield)
        finally:
            sys.settrace(None)
            threading.settrace(None)
            found = {path.removeprefix(self.root): sorted(lines) for path, lines in ear.lines().items()}
            self.lines[item.nodeid] = found

    def pytest_sessionfinish(self) -> None:
        found = {"rows": self.rows, "lines": self.lines}
        self.file.write_text(json.dumps(found))
