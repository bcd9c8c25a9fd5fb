"""A run that follows other code while its tasks run: what has begun ends, what has not begins with the new code."""

from __future__ import annotations

import pytest

from smithers.engine.entry import Fact, OpenRun
from smithers.store.records import Append, NewRun
from smithers.worker.code import LoadedCode, load
from smithers.worker.embedded import EmbeddedWorker
from smithers.worker.settings import WorkerSettings
from tests.integration.temporal.conftest import Place, until

pytestmark = pytest.mark.timeout(90)
FLOW = """\
import time
from pathlib import Path
from pydantic import BaseModel
from smithers import Context, Parallel, Sequence, Task, call, workflow

class Out(BaseModel):
    n: int = 0

def wait(folder: str, name: str) -> Out:
    with (Path(folder) / "ran").open("a") as file:
        file.write("VERSION " + name + "\\n")
    while not (Path(folder) / "go").exists():
        time.sleep(0.01)
    return Out()

@workflow
def moved(ctx: Context[dict[str, str]]):
    folder = ctx.input["folder"]
    tasks = [Task(name, output=Out)[call(wait, folder, name)] for name in ("a", "b", "c")]
    return Sequence[Parallel[tasks], Task("last", output=Out)[call(wait, folder, "last")]]
"""


def version(place: Place, name: str) -> LoadedCode:
    path = place.folder / "moved.py"
    path.write_text(FLOW.replace("VERSION", name))
    return load(path)


def test_bodies_that_have_not_begun_when_a_run_is_moved_begin_with_the_new_code(place: Place) -> None:
    old = version(place, "old")
    worker = EmbeddedWorker(place.project, old, WorkerSettings(slots=1, burst_s=0), store=place.store)
    worker.start()
    place.workers.append(worker)
    run = f"{place.project.name}-r"
    place.store.create_run(NewRun(run, "moved", {"folder": str(place.folder)}, old.digest, str(old.source)))
    worker.ring(run)
    until(lambda: place.lines("ran"))
    new = version(place, "new")
    worker.hold(new)
    data = {"digest": new.digest, "source": str(new.source)}
    assert place.store.append(Append(run, (Fact("follow", "follow:1", data, OpenRun()),))).outcomes == ("stored",)
    place.go()
    worker.ring(run)

    assert place.end_of(run, 60) == "finished"
    lines = place.lines("ran")
    assert [line.split()[0] for line in lines] == ["old", "new", "new", "new"]
    assert sorted(line.split()[1] for line in lines) == ["a", "b", "c", "last"]
    codes = [entry.code for entry in place.entries(run, "frame", "claim")]
    assert codes == sorted(codes, key=[old.digest, new.digest].index)
