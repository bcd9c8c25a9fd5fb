"""Sources that come back from the store make the same code, wherever its modules were found."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from smithers.errors import SourcesMissing, StoreDamaged
from smithers.store import open_store
from smithers.store.memory import MemoryStore
from smithers.store.records import Sources
from smithers.worker import copies, kept

pytestmark = pytest.mark.decision("0014")

FLOW = """
from pydantic import BaseModel
from smithers import Task, workflow
from near import NEAR
from library.far import FAR

class Out(BaseModel):
    text: str = ""

def work() -> Out:
    import library.late
    return Out(text=f"{NEAR} {FAR} {library.late.LATE}")

@workflow
def ship(ctx):
    return Task("a", output=Out)[work]
"""
KEEP = """
import sys
from pathlib import Path
from smithers.store import open_store
from smithers.worker.code import load
from smithers.worker.kept import keep
store = open_store(sys.argv[1], create=True)
code = load(Path(sys.argv[2]))
keep(store, code)
print(code.digest)
"""
LOAD = """
import json, sys
from pathlib import Path
from smithers.store import open_store
from smithers.worker.kept import load_kept
store = open_store(sys.argv[1], create=False)
code = load_kept(store, sys.argv[4], Path(sys.argv[2]), Path(sys.argv[3]))
said = code.resolve("smithers_workflow_flow:work")().text
print(json.dumps([code.digest, said, str(code.source), code.resolve("library.far:__file__")]))
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Modules beside the file, and in a folder that is on the path of every process."""
    root = tmp_path / "project"
    write(root, "old")
    (root / "pyproject.toml").touch()
    return root


def write(root: Path, version: str) -> None:
    texts = {
        "flows/flow.py": FLOW,
        "flows/near.py": f"NEAR = 'near {version}'\n",
        "src/library/__init__.py": "",
        "src/library/far.py": f"FAR = 'far {version}'\n",
        "src/library/late.py": f"LATE = 'late {version}'\n",
    }
    for name, text in texts.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def process(root: Path, script: str, *words: str) -> str:
    url = f"sqlite:///{root.parent / 'store.db'}"
    command = [sys.executable, "-P", "-c", script, url, str(root / "flows" / "flow.py"), *words]
    paths = os.environ | {"PYTHONPATH": str(root / "src")}
    return subprocess.run(command, check=True, env=paths, stdout=subprocess.PIPE, text=True, timeout=60).stdout.strip()


def test_old_code_gets_all_its_modules_from_the_store_and_none_of_the_new_ones(project: Path) -> None:
    digest = process(project, KEEP)
    write(project, "new")

    found, said, source, far = json.loads(process(project, LOAD, str(project / ".smithers" / "code"), digest))

    assert (found, said) == (digest, "near old far old late old")
    copy = project / ".smithers" / "code" / digest[:12]
    assert (Path(source), Path(far)) == (copy / "flows" / "flow.py", copy / "src" / "library" / "far.py")
    assert copy.stat().st_mode & 0o077 == 0


def test_a_copy_that_was_changed_is_put_right(project: Path) -> None:
    digest = process(project, KEEP)
    write(project, "new")
    folder = str(project / ".smithers" / "code")
    process(project, LOAD, folder, digest)
    (project / ".smithers" / "code" / digest[:12] / "flows" / "near.py").write_text("NEAR = 'meddled'\n")

    assert json.loads(process(project, LOAD, folder, digest))[1] == "near old far old late old"


def test_the_store_says_whether_the_files_are_still_the_code(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = process(project, KEEP)
    store = open_store(f"sqlite:///{project.parent / 'store.db'}", create=False)
    source = project / "flows" / "flow.py"

    assert kept.is_on_disk(store.sources(digest), source)
    assert not kept.is_on_disk(store.sources(digest), Path("/flow.py"))
    monkeypatch.chdir(source.parent)
    assert kept.is_on_disk(store.sources(digest), Path("flow.py"))
    (project / "src" / "library" / "late.py").unlink()
    assert not kept.is_on_disk(store.sources(digest), source)
    store.close()


def test_sources_that_were_never_kept_are_missed_by_name(tmp_path: Path) -> None:
    with pytest.raises(SourcesMissing, match="e5e5e5e5e5e5"):
        kept.load_kept(MemoryStore(), "e5" * 32, tmp_path / "flow.py", tmp_path)


@pytest.mark.parametrize("name", ["../flow.py", "/flow.py", "a/../../flow.py"])
def test_a_source_whose_name_leads_out_of_its_folder_is_not_written(tmp_path: Path, name: str) -> None:
    with pytest.raises(StoreDamaged, match="leads out of its folder"):
        copies.written(tmp_path / "code", "d" * 64, "flow.py", {name: b""}, tmp_path / "flow.py")

    assert not (tmp_path / "flow.py").exists()


def test_what_is_installed_is_compared_with_what_was() -> None:
    now = kept.environment()
    pydantic = now["packages"]["pydantic"]

    assert kept.changes(now) == []
    assert kept.changes({}) == []
    before = {"python": "3.2.1", "packages": {**now["packages"], "pydantic": "0.1", "left_pad": "1.0"}}
    python, packages = kept.changes(before)
    assert "Python 3.2.1" in python
    assert f"pydantic 0.1 is {pydantic} now" in packages
    assert "left_pad 1.0 is gone now" in packages


def test_keeping_is_done_once(project: Path) -> None:
    store = MemoryStore()
    first = Sources("d" * 64, "flow.py", {"flow.py": b"1"})
    store.write_sources(first)
    store.write_sources(Sources("d" * 64, "flow.py", {"flow.py": b"2"}))

    assert store.sources("d" * 64) == first
