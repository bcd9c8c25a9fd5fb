"""`scripts/mutate`: breaks marked behaviours, one at a time; each must turn a marked test red."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Collection, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager
from dataclasses import astuple
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Final

from scripts.mutations.choosing import Choice, Trial, equivalents
from scripts.mutations.trials import Behaviours, Copy, Verdict, digest, listened_to

ROOT: Final = Path(__file__).resolve().parents[2]
KEPT: Final = ROOT / "build" / "mutations"
"""What was found out about this very tree: which test carries out what, and what became of changes."""


def say(text: str) -> None:
    """Progress. Standard output is for results."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def behaviours_of(copies: Sequence[Copy]) -> Behaviours:
    """What was heard of files with tests is kept for as long as nothing they depend on has changed."""
    heard, keys = KEPT / "heard", listened_to(ROOT)
    heard.mkdir(exist_ok=True)
    files = {path: heard / f"{key}.json" for path, key in keys.items()}
    missing = [path for path, file in files.items() if not file.is_file()]
    if missing:
        say(f"running the marked tests of {len(missing)} files once, to see what each carries out")
        with ThreadPoolExecutor(len(copies)) as pool:
            parts = [missing[number :: len(copies)] for number in range(len(copies))]
            found = Behaviours.together(pool.map(Copy.listen, copies, parts))
        for path in missing:
            found.of(path).write(files[path])
    for old in set(heard.iterdir()) - set(files.values()):
        old.unlink()
    return Behaviours.together(map(Behaviours.read, files.values()))


class Trials:
    """Trials of one tree, side by side. What was tried before is not tried again."""

    def __init__(self, tree: str, copies: Sequence[Copy], marked: Collection[str] | None) -> None:
        self.marked = marked
        self.file = KEPT / f"{tree}{'' if marked is None else '-all'}.trials"
        self.known: dict[str, Verdict] = {}
        if self.file.is_file():
            told = map(json.loads, self.file.read_text().splitlines())
            self.known = {key: Verdict(*verdict) for key, *verdict in told}
        self.copies: SimpleQueue[Copy] = SimpleQueue()
        for copy in copies:
            self.copies.put(copy)

    def noticed_by(self, trial: Trial) -> Verdict:
        key = json.dumps([*trial.change.identity, trial.change.line])
        if key not in self.known:
            copy = self.copies.get()
            try:
                self.known[key] = copy.noticed_by(trial.change, trial.tests, self.marked)
            finally:
                self.copies.put(copy)
            with self.file.open("a") as file:
                file.write(json.dumps([key, *astuple(self.known[key])]) + "\n")
        return self.known[key]


def told(trial: Trial, verdict: Verdict) -> dict[str, Any]:
    change = trial.change
    about = {"row": trial.row, "path": change.path, "line": change.line, "function": change.function}
    about |= {"before": change.before, "after": change.after, "tests": len(trial.tests)}
    return {**about, "noticed_by": verdict.noticed, "test": verdict.test}


def shown(trial: Trial, verdict: Verdict, data: bytes) -> str:
    diff = trial.change.diff(data)
    first = "".join(f"\n    {test}" for test in trial.tests[:3])
    who = "nobody noticed" if verdict.noticed == "nobody" else f"only {verdict.test}, which is not marked, noticed"
    return f"! {who}, of {len(trial.tests)} marked ones ({trial.row}):\n{diff}{first}"


def options(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/mutate", description=__doc__)
    parser.add_argument("--count", type=int, default=30, help="how many behaviours")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=min(4, os.cpu_count() or 1))
    parser.add_argument("--json", action="store_true", help="one object for each change that was tried")
    parser.add_argument("--marked", action="store_true", help="ask marked tests only, where none notices, too")
    parser.add_argument("--strict", action="store_true", help="it is not enough that a test notices that is not marked")
    return parser.parse_args(words)


@contextmanager
def copied(count: int) -> Generator[list[Copy]]:
    with (
        tempfile.TemporaryDirectory(prefix="mutate-", ignore_cleanup_errors=True) as name,
        ExitStack() as stack,
    ):
        copies = [Copy(ROOT, Path(name).resolve() / str(number)) for number in range(count)]
        for copy in copies:
            stack.callback(copy.close)
        yield copies


def main(words: Sequence[str]) -> int:
    given, begun = options(words), time.monotonic()
    KEPT.mkdir(parents=True, exist_ok=True)
    tree, counts = digest(ROOT), Counter[str]()
    with copied(given.jobs) as copies:
        behaviours = behaviours_of(copies)
        choice = Choice(copies[0].folder, behaviours, equivalents())
        chosen = list(choice.trials(given.count, given.seed))
        trials = Trials(tree, copies, None if given.marked else behaviours.rows)
        sources = {trial.change.path: (copies[0].folder / trial.change.path).read_bytes() for trial in chosen}
        with ThreadPoolExecutor(given.jobs) as pool:
            running = {pool.submit(trials.noticed_by, trial): trial for trial in chosen}
            for number, future in enumerate(as_completed(running), 1):
                trial, verdict = running[future], future.result()
                counts[verdict.noticed] += 1
                if given.json:
                    print(json.dumps(told(trial, verdict)), flush=True)
                elif verdict.noticed != "marked":
                    print(shown(trial, verdict, sources[trial.change.path]), flush=True)
                say(f"{number} of {len(chosen)}: {trial.row}: noticed by {verdict.noticed}: {verdict.test}")
    took_s = time.monotonic() - begun
    found = f"nobody noticed {counts['nobody']}, unmarked tests alone {counts['unmarked']}"
    say(f"{len(chosen)} changes in {took_s:.0f} s: {found}")
    return 1 if counts["nobody"] or (given.strict and counts["unmarked"]) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
