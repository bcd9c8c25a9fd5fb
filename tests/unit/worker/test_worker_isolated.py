from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from smithers import Task, call
from smithers.engine.entry import Fact
from smithers.engine.plan import Planner
from smithers.errors import BodyDied
from smithers.flow.body import TaskBody
from smithers.flow.task_context import CancelFlag, TaskContext
from smithers.flow.usage import Meter
from smithers.store import open_store
from smithers.store.records import Append, NewRun, PlanWrite
from smithers.worker.code import LoadedCode, load
from smithers.worker.isolated import by_value, job_of
from smithers_activities import isolate
from smithers_activities.compute import Outcome

pytestmark = pytest.mark.timeout(60)

FLOW = """
import asyncio, ctypes, os, signal, subprocess, sys, threading, time
from pydantic import BaseModel
from smithers import Sequence, Task, TaskContext, call, workflow

class Out(BaseModel):
    pid: int = 0
    text: str = ""

def work(text, task: TaskContext, other: Out = Out()) -> Out:
    print("printed", text)
    task.log.info("logged")
    task.progress(0.5)
    os.system("echo from a shell")
    return Out(pid=os.getpid(), text=text + other.text + task.idempotency_key)

def fail(): return Out(pid="no number")
def die(number): os.kill(os.getpid(), number)
def leave(): os._exit(7)
def sleep(path):
    try:
        open(path, "w").write(str(os.getpid()))
        time.sleep(50)
    finally:
        print("cleaned up")

async def nap(path):
    open(path, "w").write(str(os.getpid()))
    try:
        await asyncio.sleep(50)
    finally:
        print("cleaned up")

def stubborn(path):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    child = subprocess.Popen([sys.executable, "-c", "import time, signal; "
        "signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(50)"])
    open(path, "w").write(str(child.pid))
    time.sleep(50)

def hears_it_itself(path):
    def told(*_): raise RuntimeError("told to end")
    signal.signal(signal.SIGTERM, told)
    open(path, "w").write(str(os.getpid()))
    time.sleep(50)

async def waits_for_another(path):
    child = await asyncio.create_subprocess_exec("sleep", "50")
    open(path, "w").write(str(child.pid))
    raise RuntimeError(f"it ended with {await child.wait()}")

def leaves_others():
    child = subprocess.Popen(["sleep", "50"])
    threading.Thread(target=time.sleep, args=(50,)).start()
    return Out(pid=child.pid)

def spends(how, task: TaskContext):
    task.usage(input_tokens=70, output_tokens=5, cost_usd=0.5)
    task.usage(input_tokens=1)
    if how == "die": os.kill(os.getpid(), 9)
    if how == "sleep": time.sleep(50)
    return Out()

def asks(): return Out(text=repr(sys.stdin.read()))

@workflow
def flow(ctx):
    free = "free"
    return Sequence[Task("free", output=Out)[lambda: Out(text=free)]]
"""


class Sink:
    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    def write(self, stream: str, text: str, /) -> None:
        self.lines.append((stream, text))


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> LoadedCode:
    path = tmp_path_factory.mktemp("isolated") / "alone.py"
    path.write_text(FLOW)
    return load(path)


Alone = Callable[..., tuple[Outcome, Sink]]


@pytest.fixture
def alone(code: LoadedCode, tmp_path: Path) -> Alone:
    def run_alone(
        function: str,
        *args: Any,
        flag: CancelFlag | None = None,
        timeout: timedelta | None = None,
        meter: Meter | None = None,
        **deps: Any,
    ) -> tuple[Outcome, Sink]:
        resolve = lambda name: code.resolve(f"smithers_workflow_alone:{name}")  # noqa: E731
        task: Task[Any] = Task("t", output=resolve("Out"), timeout=timeout)[call(resolve(function), *args)]
        body = TaskBody(task, {name: resolve("Out")(text=text) for name, text in deps.items()})
        sink = Sink()
        deadline = None if timeout is None else now() + timeout
        context = TaskContext("r", "t", "", 1, 1, deadline, now, flag or CancelFlag(), sink, meter or Meter())
        job = job_of(body, context, 1, code, tmp_path, "")
        return isolate.run(job, body, context, grace=timedelta(seconds=1)), sink

    return run_alone


def now() -> datetime:
    return datetime.now(UTC)


def wait_for(path: Path) -> int:
    while not (path.exists() and path.read_text()):
        time.sleep(0.01)
    return int(path.read_text())


def is_gone(pid: int) -> bool:
    """Whether the process ends soon; one that only waits to be collected has ended."""
    for _ in range(1000):
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except FileNotFoundError:
            return True
        time.sleep(0.01)
    return False


def test_a_body_runs_in_another_process_with_its_arguments_deps_and_context(alone: Alone) -> None:
    outcome, sink = alone("work", "a", other="b")

    assert outcome.outcome == "finished"
    assert outcome.output["text"] == "abr:t:"
    assert outcome.output["pid"] != os.getpid()
    assert [line for line in sink.lines if line[1] != "from a shell"] == [
        ("stdout", "printed a"),
        ("log", "INFO logged"),
        ("progress", "50%"),
    ]
    assert ("stdout", "from a shell") in sink.lines


def test_what_a_body_reports_comes_back_also_from_a_process_that_dies_or_is_stopped(alone: Alone) -> None:
    used = {"input_tokens": 71, "output_tokens": 5, "cost_usd": 0.5}

    finished, _ = alone("spends", "", meter=Meter())
    late, _ = alone("spends", "sleep", timeout=timedelta(seconds=2), meter=Meter())
    dead = Meter()
    with pytest.raises(BodyDied):
        alone("spends", "die", meter=dead)

    assert (finished.outcome, finished.usage) == ("finished", used)
    assert (late.outcome, late.usage) == ("failed", used)
    assert dead.total.wire() == used


def test_a_limit_for_one_task_holds_in_its_own_process(alone: Alone) -> None:
    outcome, _ = alone("spends", "", meter=Meter("t", 75))

    assert outcome.error is not None
    assert (outcome.outcome, outcome.error["code"]) == ("failed", "ASPECT_BUDGET_EXCEEDED")


def test_errors_come_back_with_the_authors_line(alone: Alone, code: LoadedCode) -> None:
    outcome, _ = alone("fail")

    assert outcome.outcome == "failed"
    assert outcome.error is not None
    assert outcome.error["data"]["type"] == "pydantic_core._pydantic_core.ValidationError"
    line = 1 + FLOW[: FLOW.index("def fail")].count("\n")
    assert outcome.error["data"]["where"] == f"{code.source}:{line}"


@pytest.mark.parametrize(
    ("call", "how"),
    [
        (("die", 9), "SIGKILL; most likely it ran out of memory"),
        (("die", 11), "SIGSEGV"),
        (("leave",), "exit status 7"),
    ],
)
def test_a_process_that_dies_is_told_from_a_body_that_fails(alone: Alone, call: tuple[Any, ...], how: str) -> None:
    with pytest.raises(BodyDied, match=how):
        alone(*call)


@pytest.mark.parametrize("function", ["sleep", "nap"])
def test_deadline_interrupts_what_blocks_and_lets_it_clean_up(alone: Alone, function: str, tmp_path: Path) -> None:
    outcome, sink = alone(function, str(tmp_path / "pid"), timeout=timedelta(seconds=3))

    assert outcome.outcome == "failed"
    assert outcome.error is not None
    assert outcome.error["code"] == "TASK_TIMEOUT"
    assert ("stdout", "cleaned up") in sink.lines
    assert is_gone(wait_for(tmp_path / "pid"))


@pytest.mark.parametrize("function", ["sleep", "nap"])
def test_cancel_interrupts_what_blocks(alone: Alone, function: str, tmp_path: Path) -> None:
    flag = CancelFlag()
    threading.Thread(target=lambda: (wait_for(tmp_path / "pid"), flag.set("cancel"))).start()

    outcome, sink = alone(function, str(tmp_path / "pid"), flag=flag)

    assert outcome.outcome == "cancelled"
    assert ("stdout", "cleaned up") in sink.lines


@pytest.mark.feature("err.TASK_ABORTED", "exec.abort")
@pytest.mark.parametrize("function", ["hears_it_itself", "waits_for_another"])
def test_a_cancelled_body_is_cancelled_whatever_it_raises_on_its_way(
    alone: Alone, function: str, tmp_path: Path
) -> None:
    flag = CancelFlag()
    threading.Thread(target=lambda: (wait_for(tmp_path / "pid"), flag.set("cancel"))).start()

    outcome, _ = alone(function, str(tmp_path / "pid"), flag=flag)

    assert outcome.outcome == "cancelled"
    assert outcome.error is not None
    assert outcome.error["code"] == "TASK_ABORTED"


def test_what_a_cancelled_body_raised_is_told(alone: Alone, code: LoadedCode, tmp_path: Path) -> None:
    flag = CancelFlag()
    threading.Thread(target=lambda: (wait_for(tmp_path / "pid"), flag.set("shutdown"))).start()

    outcome, _ = alone("hears_it_itself", str(tmp_path / "pid"), flag=flag)

    assert outcome.error is not None
    line = 1 + FLOW[: FLOW.index("def told")].count("\n")
    assert outcome.error["data"]["raised"] == "RuntimeError: told to end"
    assert outcome.error["data"]["where"] == f"{code.source}:{line}"


def test_a_body_that_fails_when_its_deadline_comes_was_too_late(alone: Alone, tmp_path: Path) -> None:
    outcome, _ = alone("hears_it_itself", str(tmp_path / "pid"), timeout=timedelta(seconds=3))

    assert outcome.error is not None
    assert (outcome.outcome, outcome.error["code"]) == ("failed", "TASK_TIMEOUT")
    assert outcome.error["data"]["raised"] == "RuntimeError: told to end"


def test_a_process_that_somebody_else_tells_to_end_has_died(alone: Alone, tmp_path: Path) -> None:
    threading.Thread(target=lambda: os.kill(wait_for(tmp_path / "pid"), signal.SIGTERM)).start()

    with pytest.raises(BodyDied, match="SIGTERM") as raised:
        alone("sleep", str(tmp_path / "pid"))

    assert raised.value.data["signal"] == signal.SIGTERM


def test_who_ignores_the_request_is_killed_with_all_its_processes(alone: Alone, tmp_path: Path) -> None:
    flag = CancelFlag()
    threading.Thread(target=lambda: (wait_for(tmp_path / "pid"), flag.set("cancel"))).start()

    outcome, _ = alone("stubborn", str(tmp_path / "pid"), flag=flag)

    assert outcome.outcome == "cancelled"
    assert is_gone(wait_for(tmp_path / "pid"))


def test_what_a_body_leaves_running_ends_with_it(alone: Alone) -> None:
    begin = time.monotonic()

    outcome, _ = alone("leaves_others")

    assert is_gone(outcome.output["pid"])
    assert time.monotonic() - begin < 30


def test_a_body_that_asks_for_input_gets_none(alone: Alone) -> None:
    assert alone("asks")[0].output["text"] == "''"


@pytest.mark.parametrize("function", ["sleep", "stubborn", "waits_for_another"])
def test_a_task_and_what_it_has_started_die_with_its_worker(code: LoadedCode, tmp_path: Path, function: str) -> None:
    """Two of these write the process that they have started."""
    script = tmp_path / "worker.py"
    script.write_text(WORKER)
    worker = subprocess.Popen([sys.executable, str(script), str(code.source), str(tmp_path / "pid"), function])
    pid = wait_for(tmp_path / "pid")

    worker.send_signal(signal.SIGKILL)
    worker.wait()

    assert is_gone(pid)


WORKER = """
import sys, threading
from datetime import datetime, UTC
from pathlib import Path
from smithers import Task, call
from smithers.flow.body import TaskBody
from smithers.flow.task_context import CancelFlag, TaskContext
from smithers.worker.code import load
from smithers.worker.isolated import job_of
from smithers_activities import isolate

class Sink:
    def write(self, stream, text): pass

code = load(Path(sys.argv[1]))
get = lambda name: code.resolve("smithers_workflow_alone:" + name)
body = TaskBody(Task("t", output=get("Out"))[call(get(sys.argv[3]), sys.argv[2])], {})
context = TaskContext("r", "t", "", 1, 1, None, lambda: datetime.now(UTC), CancelFlag(), Sink())
job = job_of(body, context, 1, code, Path("unused"), "")
threading.Thread(target=isolate.run, args=(job, body, context)).start()
"""


def test_changed_code_runs_from_a_copy(code: LoadedCode, tmp_path: Path) -> None:
    source = tmp_path / "changing.py"
    source.write_text(FLOW)
    old = load(source)
    source.write_text(FLOW.replace("from a shell", "changed"))
    get = lambda name: old.resolve(f"smithers_workflow_changing:{name}")  # noqa: E731
    body = TaskBody(Task("t", output=get("Out"))[call(get("work"), "a")], {})
    sink = Sink()
    context = TaskContext("r", "t", "", 1, 1, None, now, CancelFlag(), sink)

    outcome = isolate.run(job_of(body, context, 1, old, tmp_path / "copies", ""), body, context)

    assert outcome.outcome == "finished"
    assert ("stdout", "from a shell") in sink.lines


def test_only_plain_values_and_what_has_a_name_go_by_value(code: LoadedCode) -> None:
    resolve = lambda name: code.resolve(f"smithers_workflow_alone:{name}")  # noqa: E731
    out = resolve("Out")

    class Local(out):
        pass

    def value_of(body: Any, output: Any = out) -> Any:
        return by_value(TaskBody(Task("t", output=output)[body], {}), code)

    assert json.loads(json.dumps(value_of(call(resolve("work"), "a", x=[1]))))["kwargs"] == {"x": [1]}
    assert value_of(out(text="static"))["static"] == {"pid": 0, "text": "static"}
    assert value_of(lambda: out(text="free")) is None
    assert value_of(call(resolve("work"), out())) is None
    assert value_of(call(resolve("work"), "a"), Local) is None
    assert value_of(Local(), Local) is None


def test_a_static_value_may_run_alone_too(code: LoadedCode, tmp_path: Path) -> None:
    out = code.resolve("smithers_workflow_alone:Out")
    body = TaskBody(Task("t", output=out)[out(text="static")], {})
    context = TaskContext("r", "t", "", 1, 2, None, now, CancelFlag(), Sink())

    outcome = isolate.run(job_of(body, context, 1, code, tmp_path, ""), body, context)

    assert outcome.output == {"pid": 0, "text": "static"}


def test_a_function_with_free_variables_is_found_in_the_tree(code: LoadedCode, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/store.db"
    store = open_store(url, create=True)
    store.create_run(NewRun("r", code.workflow.name, {}, code.digest, str(code.source)))
    planner = Planner.build(code.workflow, "r", store.entries("r"))
    plan = planner.plan()
    assert plan is not None
    frame = Fact("frame", plan.key, plan.frame)
    write = PlanWrite(plan.base, plan.covers, 0, frame, plan.commands, nodes=plan.nodes, digest=code.digest)
    assert store.append(Append("r", plan=write)).planned
    store.close()
    body = planner.body("free", "")
    context = TaskContext("r", "free", "", 1, 1, None, now, CancelFlag(), Sink())
    job = job_of(body, context, plan.commands[0].n, code, tmp_path, url)

    outcome = isolate.run(job, body, context)

    assert job["body"] is None
    assert outcome.output == {"pid": 0, "text": "free"}
