"""Records a store as the code of a commit writes it, for the tests of upgrades.

    python -m tests.upgrades.record COMMIT [NAME]

Three runs of `kept.py` are in it: `closed` has finished (its text is long enough for a blob), `asking` waits for an
approval, `burst` was killed with its worker while the second of its tasks ran. Where the schema has a cache of outputs,
there is one of `cached.py`, too: `caching` waits for an approval, and has left an output for other runs. The commit's
own code makes them, by its own command line; the file is named after the schema that it has. With a NAME it is one of
those that lack tables which their schema has, and goes to `stores/lacking`.
"""

from __future__ import annotations

import gzip
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
STORES = HERE / "stores"
PACKAGES = ("platform", "activities", "sandboxes", "observability")
VERSIONS = Path("platform", "smithers", "store", "migrations", "versions")
TEXT = "smithers " * 40_000


def main(commit: str, name: str = "") -> None:
    with tempfile.TemporaryDirectory(prefix="sm-") as folder:
        code, project = Path(folder) / "code", Path(folder) / "project"
        for made in (code, project):
            made.mkdir()
        archive = subprocess.run(["git", "archive", commit], cwd=ROOT, stdout=subprocess.PIPE, check=True)
        subprocess.run(["tar", "-x", "-C", str(code)], input=archive.stdout, check=True)
        for workflow in ("kept.py", "cached.py"):
            shutil.copy(HERE / workflow, project)
        try:
            record(code, project)
        finally:
            end_all(project)
        keep(project / ".smithers" / "smithers.db", name)


def record(code: Path, project: Path) -> None:
    path = os.pathsep.join(str(code / package) for package in PACKAGES)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SMITHERS_", "TEMPORAL_"))}
    environment = kept | {"PYTHONPATH": path, "USER": "ann"}

    def up(run: str, file: str = "kept.py", **input: object) -> subprocess.Popen[bytes]:
        (project / "input.json").write_text(json.dumps({"run": run, **input}))
        words = ["up", file, "--no-wait", "--run-id", run, "--input", "@input.json"]
        command = [sys.executable, "-P", "-m", "smithers.cli.main", *words]
        return subprocess.Popen(command, cwd=project, env=environment, start_new_session=True)

    assert up("closed", text=TEXT).wait(120) == 0
    assert up("asking", asks=True).wait(120) == 3
    if any((code / VERSIONS).glob("*_task_cache.py")):
        assert up("caching", "cached.py").wait(120) == 3
    process = up("burst", waits=True)
    until(lambda: "burst:t1\n" in (project / "ran").read_text())
    end_all(project)
    process.wait()


def until(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def end_all(project: Path) -> None:
    """Kills what works in the folder."""
    for process in Path("/proc").iterdir():
        with suppress(OSError):
            if process.name.isdigit() and (process / "cwd").readlink().is_relative_to(project):
                os.kill(int(process.name), signal.SIGKILL)


def keep(path: Path, name: str) -> None:
    """As one file, without what the database has cut away."""
    connection = sqlite3.connect(path)
    (revision,) = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    small = path.with_name("small.db")
    connection.execute("VACUUM INTO ?", (str(small),))
    connection.close()
    kept = STORES / "lacking" / f"{name}.db.gz" if name else STORES / f"{revision}.db.gz"
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_bytes(gzip.compress(small.read_bytes(), mtime=0))


if __name__ == "__main__":
    main(*sys.argv[1:3])
