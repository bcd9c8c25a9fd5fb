"""Checks that other programs do: ruff, pyright, uv."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scripts.checks.finding import Finding, Report
from scripts.checks.tree import Tree
from scripts.checks.typing_cases import FOLDER, Diagnostic, compare, expected

ASIDE = Path(__file__).resolve().parents[2] / ".tools/bin"
"""Where `scripts/install` puts what the machine lacks."""


def program(name: str) -> str:
    """A program of our environment, else one that was put aside, else one on PATH."""
    for folder in (Path(sys.executable).parent, ASIDE):
        if (folder / name).exists():
            return str(folder / name)
    return shutil.which(name) or name


def run(root: Path, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    quiet = {**os.environ, "NO_COLOR": "1", "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1", "UV_PYTHON_DOWNLOADS": "never"}
    return subprocess.run(
        [program(command[0]), *command[1:]],
        cwd=root,
        env=quiet,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def formatting(tree: Tree) -> Report:
    done = run(tree.root, ["ruff", "format", "--check", "--output-format", "concise", "."])
    findings = tuple(
        Finding(match[1], 0, "is not formatted: ruff format")
        for match in re.finditer(r"^(?:Would reformat: )?([^\s:]+\.pyi?)(?::\S*)?(?: .*)?$", done.stdout, re.MULTILINE)
    )
    return Report(findings, last_line(done.stdout), "" if findings else done.stderr, done.returncode != 0)


def linting(tree: Tree) -> Report:
    done = run(tree.root, ["ruff", "check", "--no-fix", "--output-format", "json", "."])
    if done.returncode not in (0, 1):
        return Report(output=done.stdout + done.stderr, failed=True)
    found: list[dict[str, Any]] = json.loads(done.stdout)
    findings = tuple(sorted(ruff_finding(tree.root, one) for one in found))
    return Report(findings, "ruff's rules of pyproject.toml", failed=done.returncode != 0)


def ruff_finding(root: Path, one: dict[str, Any]) -> Finding:
    place: dict[str, int] = one["location"] or {"row": 0}
    return Finding(relative(one["filename"], root), place["row"], f"{one['message']} ({one['code']})")


def types(tree: Tree) -> Report:
    """Pyright over everything, and exactly the errors that `tests/typing` expects."""
    return pyright(tree.root, (), [path for path in tree.files if path.startswith(FOLDER) and path.endswith(".py")])


def pyright(root: Path, paths: Sequence[str], cases: Sequence[str]) -> Report:
    """Checks `paths` (empty: what pyproject.toml includes) against the expectations in `cases`."""
    done = run(root, ["pyright", "--outputjson", *paths])
    try:
        told: dict[str, Any] = json.loads(done.stdout)
    except json.JSONDecodeError:
        return Report(output=done.stdout + done.stderr, failed=True)
    errors = [
        Diagnostic(
            path=relative(one.get("file", "pyproject.toml"), root),
            line=one.get("range", {}).get("start", {}).get("line", -1) + 1,
            rule=one.get("rule", "syntax"),
            message=" ".join(one["message"].split()),
        )
        for one in told["generalDiagnostics"]
        if one["severity"] in ("error", "warning")
    ]
    wanted = [one for path in cases for one in expected(path, (root / path).read_text("utf-8"))]
    count = told["summary"]["filesAnalyzed"]
    return Report(compare(errors, wanted), f"{count} files, {len(wanted)} expected errors seen")


def lock(tree: Tree) -> Report:
    """The lock file is what pyproject.toml asks for."""
    done = run(tree.root, ["uv", "lock", "--check", "--offline"])
    return Report(summary="uv.lock is fresh", output=done.stderr, failed=done.returncode != 0)


def relative(path: str, root: Path) -> str:
    absolute = Path(path)
    return str(absolute.relative_to(root)) if absolute.is_relative_to(root) else path


def last_line(text: str) -> str:
    return text.strip().rpartition("\n")[2]
