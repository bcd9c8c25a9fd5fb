"""`scripts/check [NAME ...]`: one line per check, findings below it; the exit status is 1 if any check fails."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from scripts.checks import imports, links, points, shape, tools, words
from scripts.checks.finding import Report
from scripts.checks.tree import Tree, from_git

Check = Callable[[Tree], Report]
CHECKS: Final[dict[str, Check]] = {
    "types": tools.types,  # first, because it takes longest
    "format": tools.formatting,
    "lint": tools.linting,
    "lock": tools.lock,
    "imports": imports.check,
    "shape": shape.check,
    "words": words.check,
    "links": links.check,
    "points": points.check,
}


def timed(check: Check, tree: Tree) -> tuple[Report, float]:
    begun = time.monotonic()
    return check(tree), time.monotonic() - begun


def told(name: str, report: Report, seconds: float) -> str:
    verdict = "ok" if report.passed else f"FAILED ({len(report.findings)})" if report.findings else "FAILED"
    lines = [f"{name:8} {verdict}  {report.summary if report.passed else ''}".rstrip() + f"  [{seconds:.1f} s]"]
    lines += [f"  {finding}" for finding in report.findings]
    lines += [f"  {line}" for line in report.output.splitlines() if not report.passed]
    return "\n".join(lines)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="scripts/check", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"only these: {', '.join(CHECKS)}")
    chosen = parser.parse_args(arguments).names or list(CHECKS)
    unknown = set(chosen) - set(CHECKS)
    if unknown:
        parser.error(f"no check is called {', '.join(sorted(unknown))}; there are: {', '.join(CHECKS)}")
    tree = from_git(Path(__file__).resolve().parents[2])
    with ThreadPoolExecutor(2) as pool:
        running = {name: pool.submit(timed, check, tree) for name, check in CHECKS.items() if name in chosen}
        outcomes = {name: future.result() for name, future in running.items()}
    for name, (report, seconds) in outcomes.items():
        print(told(name, report, seconds))
    failed = [name for name, (report, _) in outcomes.items() if not report.passed]
    print(f"check: {'failed: ' + ', '.join(failed) if failed else f'{len(outcomes)} passed'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
