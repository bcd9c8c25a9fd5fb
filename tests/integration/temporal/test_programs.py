"""`run` and `start`: what programs call, on a real server."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Awaitable, Callable
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from smithers import Result, run, start
from smithers.api.hosting import host_of
from smithers.engine.chronicle import Event
from smithers.errors import (
    AnswerRefused,
    IdempotencyConflict,
    InputError,
    InvalidInput,
    InvalidOutput,
    NodeNotFound,
    RunExists,
    RunFailed,
    RunWaiting,
    WorkflowFileError,
    WrongState,
)
from smithers.project import Project
from smithers.store import open_store
from smithers.store.records import NewRun, Search
from smithers.temporal import local
from tests.acceptance.cli.running import environment
from tests.integration.temporal.conftest import FLOWS, Place, code, until

pytestmark = pytest.mark.timeout(60)


class Out(BaseModel):
    n: int


class Paid(BaseModel):
    amount: int


class Other(BaseModel):
    text: str


def flow(name: str) -> Path:
    return FLOWS / f"{name}.py"


def named(place: Place, run: str) -> str:
    """The server is shared by the tests of this folder."""
    return f"{place.project.name}-{run}"


async def finished(body: Callable[[], Awaitable[Any]]) -> Any:
    return await body()


def go(place: Place, body: Callable[[], Awaitable[Any]]) -> Any:
    """Runs on a loop of its own, and expects no worker to be left."""
    found = asyncio.run(finished(body))
    assert not host_of(place.project).is_alive
    return found


def options(place: Place, **more: Any) -> dict[str, Any]:
    return {"project": place.project.root, **more}


@pytest.mark.feature(
    "run.fn", "run.opt.input", "run.opt.runid", "run.result", "run.result.other", "run.status.finished"
)
def test_a_run_gives_its_outputs_by_node(place: Place) -> None:
    given = {"folder": str(place.folder), "n": 3}

    result: Result = go(place, lambda: run(flow("sequence"), given, run_id=named(place, "mine"), **options(place)))

    assert (result.run_id, result.workflow, result.status, result.error) == (
        named(place, "mine"),
        "sequence",
        "finished",
        None,
    )
    assert result.outputs == {"t0": {"n": 0}, "t1": {"n": 1}, "t2": {"n": 2}}
    assert (result.finished().output(Out, "t1"), result.last) == (Out(n=1), {"n": 2})
    assert result.output_maybe(Out, "t9") is None
    with pytest.raises(NodeNotFound, match="t0, t1, t2"):
        result.output(Out, "t9")
    with pytest.raises(InvalidOutput, match="Other"):
        result.output(Other, "t1")


def test_a_workflow_may_be_given_as_a_value_and_its_input_as_a_model(place: Place) -> None:
    loaded = code("sequence")
    assert loaded.workflow.input is not None
    given = loaded.workflow.input(folder=str(place.folder), n=1)

    result: Result = go(place, lambda: run(loaded.workflow, given, **options(place)))

    assert result.outputs == {"t0": {"n": 0}}


@pytest.mark.feature("run.opt.onprogress")
def test_every_event_is_told_in_order_and_after_it_was_stored(place: Place) -> None:
    told: list[tuple[str, str]] = []
    stored: list[bool] = []

    async def on_event(event: Event) -> None:
        told.append((event.type, event.node))
        stored.append(place.store.run(named(place, "r")).head >= event.seq)
        await asyncio.sleep(0)

    given = {"folder": str(place.folder), "n": 2}
    go(place, lambda: run(flow("sequence"), given, run_id=named(place, "r"), on_event=on_event, **options(place)))

    started = [node for type, node in told if type == "NodeStarted"]
    assert (told[0][0], told[-1][0], started) == ("RunStarted", "RunFinished", ["t0", "t1"])
    assert all(stored)


def test_what_a_callback_raises_comes_out_and_the_run_stays(place: Place) -> None:
    def on_event(event: Event) -> None:
        raise ZeroDivisionError

    given = {"folder": str(place.folder)}
    with pytest.raises(ZeroDivisionError):
        go(place, lambda: run(flow("asking"), given, run_id=named(place, "r"), on_event=on_event, **options(place)))

    assert place.status(named(place, "r")) not in ("failed", "cancelled")


@pytest.mark.feature("run.wait.returns", "run.status.waitapproval", "approvals.notify", "approvals.event")
def test_a_run_that_waits_for_a_person_returns_and_goes_on_when_it_is_answered(place: Place) -> None:
    told: list[tuple[str, str]] = []

    def on_event(event: Event) -> None:
        told.append((event.type, event.node))

    async def body() -> Result:
        async with await start(flow("asking"), {"folder": str(place.folder)}, **options(place)) as handle:
            waiting = await handle.result(on_event=on_event)
            assert waiting.status == "waiting-approval"
            with pytest.raises(RunWaiting):
                waiting.finished()
            await handle.approve("ok", by="ann", note="fine")
            with pytest.raises(WrongState, match="ann"):
                await handle.approve("ok")
            return await handle.result()

    result: Result = go(place, body)

    assert ("ApprovalRequested", "ok") in told
    assert (result.status, result.outputs["ok"]["decidedBy"], place.lines("ran")) == ("finished", "ann", ["after"])


def test_a_program_hands_a_question_on_and_takes_back_only_what_was_said(place: Place) -> None:
    async def body() -> Result:
        async with await start(flow("asking"), {"folder": str(place.folder)}, **options(place)) as handle:
            await handle.result()
            await handle.delegate("ok", to="cid", by="ann", note="on leave")
            with pytest.raises(AnswerRefused, match="ann has handed this to cid"):
                await handle.approve("ok", by="ann")
            with pytest.raises(AnswerRefused, match="nothing to take back"):
                await handle.withdraw("ok", by="cid")
            await handle.approve("ok", by="cid")
            with pytest.raises(WrongState, match="cid"):
                await handle.delegate("ok", to="dan", by="cid")
            return await handle.result()

    result: Result = go(place, body)

    assert (result.status, result.outputs["ok"]["decidedBy"]) == ("finished", "cid")


@pytest.mark.feature("run.status.failed", "run.result.error", "run.opt.resume", "resume.api")
def test_a_failed_run_is_a_result_and_can_be_resumed(place: Place) -> None:
    async def body() -> tuple[Result, Result]:
        async with await start(
            flow("asking"), {"folder": str(place.folder)}, run_id=named(place, "r"), **options(place)
        ) as handle:
            await handle.result()
            await handle.deny(note="no")
            failed = await handle.result()
        async with await start(flow("asking"), run_id=named(place, "r"), resume=True, **options(place)) as handle:
            assert (await handle.result()).status == "waiting-approval"
            await handle.approve()
            return failed, await handle.result()

    failed, finished = go(place, body)

    assert (failed.status, finished.status) == ("failed", "finished")
    assert failed.error is not None
    with pytest.raises(RunFailed) as caught:
        failed.finished()
    assert caught.value.data["error"]["code"] == failed.error["code"]


@pytest.mark.feature("run.opt.resume", "resume.api")
@pytest.mark.parametrize("change", ["edited", "gone", "as it was"])
def test_a_run_goes_on_with_its_own_code_wherever_its_file_has_gone(place: Place, change: str) -> None:
    file = place.folder / "asking.py"
    file.write_text(flow("asking").read_text())
    run_id = named(place, "r")

    async def body() -> tuple[Result, list[bool]]:
        async with await start(file, {"folder": str(place.folder)}, run_id=run_id, **options(place)) as handle:
            assert (await handle.result()).status == "waiting-approval"
        if change == "edited":
            file.write_text(flow("asking").read_text().replace('"after"', '"later"'))
            with pytest.raises(WrongState, match="has changed"):
                await start(file, run_id=run_id, resume=True, **options(place))
        elif change == "gone":
            file.unlink()
        before = list(sys.path)
        async with await start(file, run_id=run_id, resume=True, pinned=True, **options(place)) as handle:
            await handle.approve()
            result = await handle.result()
            here = host_of(place.project).is_alive
        return result, [sys.path == before, here]

    result, (same_path, here) = go(place, body)

    assert result.status == "finished"
    assert "after" in result.outputs
    assert place.lines("ran") == ["after"]
    assert same_path
    assert here == (change == "as it was"), "other code than the file's runs in a process of its own"
    left = list((place.project.state / "held").glob("*"))
    assert left == [], "which has gone with its handle"


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"pinned": True}, "give run_id and resume=True"),
        ({"pinned": True, "follow": True, "resume": True, "run_id": "r"}, "give one of them"),
    ],
)
def test_pinned_that_makes_no_sense_is_refused(tmp_path: Path, given: dict[str, Any], why: str) -> None:
    with pytest.raises(InputError, match=why):
        asyncio.run(start(flow("asking"), project=tmp_path, **given))


@pytest.mark.feature("run.status.cancelled")
def test_a_run_is_cancelled_by_its_handle(place: Place) -> None:
    async def body() -> Result:
        async with await start(flow("asking"), {"folder": str(place.folder)}, **options(place)) as handle:
            await handle.cancel("changed my mind", by="ann")
            result = await handle.result()
            with pytest.raises(WrongState):
                await handle.cancel()
            assert await handle.status() == "cancelled"
            return result

    assert go(place, body).status == "cancelled"


@pytest.mark.feature("run.signalrun", "run.status.waitevent")
def test_an_event_is_sent_by_the_handle_and_taken_once(place: Place) -> None:
    async def body() -> Result:
        async with await start(flow("awaiting"), {"folder": str(place.folder)}, **options(place)) as handle:
            await asyncio.to_thread(until, lambda: place.status(handle.run_id) == "waiting-event")
            with pytest.raises(InvalidInput, match="amount"):
                await handle.signal("paid", {"amount": "much"})
            with pytest.raises(InputError):
                await handle.signal(" ")
            await handle.signal("paid", Paid(amount=7), by="ann")
            result = await handle.result()
            with pytest.raises(WrongState):
                await handle.signal("paid", {"amount": 8})
            return result

    result: Result = go(place, body)

    assert (result.status, result.outputs["after"], place.lines("ran")) == ("finished", {"amount": 7}, ["7"])
    [sent] = place.entries(result.run_id, "signal")
    assert (sent.data["payload"], sent.data["by"]) == ({"amount": 7}, "ann")


@pytest.mark.feature("run.opt.maxconcurrency", "run.status.running")
def test_no_more_tasks_are_in_flight_than_wanted_and_a_result_is_never_running(place: Place) -> None:
    async def body() -> Result:
        given = {"folder": str(place.folder), "n": 3}
        async with await start(flow("gated"), given, max_concurrency=2, **options(place)) as handle:
            await asyncio.to_thread(until, lambda: len(place.lines("begun")) == 2)
            result = asyncio.ensure_future(handle.result())
            assert (await handle.status(), result.done()) == ("running", False)
            place.go()
            return await result

    result: Result = go(place, body)

    kinds = [entry.kind for entry in place.entries(result.run_id, "claim", "ended")]
    in_flight = list(accumulate(1 if kind == "claim" else -1 for kind in kinds))
    assert (result.status, len(kinds), max(in_flight)) == ("finished", 8, 2)


def test_cancelling_who_awaits_a_run_cancels_nothing(place: Place) -> None:
    async def body() -> None:
        given = {"folder": str(place.folder)}
        async with asyncio.timeout(1.5):
            await run(flow("asking"), given, run_id=named(place, "r"), stay=True, **options(place))

    with pytest.raises(TimeoutError):
        go(place, body)

    assert place.status(named(place, "r")) == "waiting-approval"
    assert not place.entries(named(place, "r"), "cancel")


@pytest.mark.feature("run.opt.signal")
def test_a_run_is_cancelled_with_who_awaits_it_where_that_is_asked_for(place: Place) -> None:
    async def body() -> None:
        given = {"folder": str(place.folder)}
        async with asyncio.timeout(1.5):
            await run(flow("asking"), given, run_id=named(place, "r"), stay=True, cancel_run=True, **options(place))

    with pytest.raises(TimeoutError):
        go(place, body)

    assert place.status(named(place, "r")) == "cancelled"


def test_the_same_idempotency_key_gives_the_same_run(place: Place) -> None:
    async def body() -> list[Result]:
        given = {"folder": str(place.folder), "n": 1}
        each = [run(flow("sequence"), given, idempotency_key="k", **options(place)) for _ in range(4)]
        found = await asyncio.gather(*each)
        with pytest.raises(IdempotencyConflict, match="another input"):
            await run(flow("sequence"), given | {"n": 2}, idempotency_key="k", **options(place))
        with pytest.raises(IdempotencyConflict, match="'mine'"):
            await run(flow("sequence"), given, idempotency_key="k", run_id="mine", **options(place))
        return found

    results = go(place, body)

    assert {result.status for result in results} == {"finished"}
    assert len({result.run_id for result in results}) == 1
    assert place.lines("ran") == ["t0"]


def test_runs_of_one_process_share_a_worker(place: Place) -> None:
    async def body() -> list[Result]:
        one = run(flow("sequence"), {"folder": str(place.folder), "n": 2}, **options(place))
        other = run(flow("fan"), {"folder": str(place.folder), "n": 2}, **options(place))
        return list(await asyncio.gather(one, other))

    assert [result.status for result in go(place, body)] == ["finished", "finished"]


def test_tags_are_kept_for_finding_the_run(place: Place) -> None:
    given = {"folder": str(place.folder)}
    tags = {"team": "blue"}
    go(place, lambda: run(flow("asking"), given, run_id=named(place, "r"), tags=tags, **options(place)))

    assert [found.run_id for found in place.store.search(Search(tags=tags))] == [named(place, "r")]


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"input": {"folder": 3}}, InvalidInput),
        ({"input": {"folder": "x", "unknown": 1}}, InvalidInput),
        ({"input": [1]}, InvalidInput),
        ({"workflow": "nowhere.py"}, WorkflowFileError),
        ({"run_id": "a b"}, InputError),
        ({"tags": {"a b": "c"}}, InputError),
        ({"idempotency_key": "a\nb"}, InputError),
        ({"max_concurrency": 0}, InputError),
        ({"resume": True}, InputError),
        ({"project": "/nowhere/at/all"}, InputError),
        ({"run_id": "there"}, RunExists),
    ],
)
def test_bad_requests_are_refused_with_nothing_made(place: Place, change: dict[str, Any], error: type) -> None:
    place.start("sequence")
    place.store.create_run(NewRun("there", "sequence", {}, "d", "/flow.py"))
    before = len(place.store.runs())
    given: dict[str, Any] = {"workflow": flow("sequence"), "input": {"folder": "x"}, **options(place)} | change

    with pytest.raises(error):
        go(place, lambda: run(given.pop("workflow"), given.pop("input"), **given))

    assert len(place.store.runs()) == before


SCRIPT = """
import asyncio
from pydantic import BaseModel
from smithers import Task, call, run, workflow

class Text(BaseModel):
    text: str

def say(text: str) -> Text:
    return Text(text=text)

@workflow
def hello(ctx):
    return Task("hello", output=Text)[call(say, "hi")]

if __name__ == "__main__":
    for _ in range(2):
        print(asyncio.run(run(hello)).finished().output(Text, "hello").text)
"""


def test_a_script_runs_its_own_workflow_on_a_local_server_that_it_starts(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    (tmp_path / "lean.py").write_text("import sys\nfrom smithers import run, start\n" + LEAN)
    where = {"cwd": tmp_path, "env": environment(), "capture_output": True, "text": True, "timeout": 50}

    done = subprocess.run([sys.executable, "script.py"], check=False, **where)
    lean = subprocess.run([sys.executable, "lean.py"], check=False, **where)

    assert (done.returncode, done.stdout, done.stderr) == (0, "hi\nhi\n", "")
    assert lean.stdout == "[]\n", lean.stderr
    store = open_store(Project(tmp_path), create=False)
    assert [one.status for one in store.runs()] == ["finished", "finished"]
    store.close()
    local.stop(Project(tmp_path))


LEAN = "print([name for name in ('temporalio', 'sqlalchemy', 'typer') if name in sys.modules])\n"


@pytest.mark.feature("continueasnew.identity", "run.result.other")
def test_a_result_is_that_of_the_last_run_of_a_chain(place: Place) -> None:
    root, types = named(place, "chain"), list[str]()

    async def use() -> tuple[Result, Result]:
        async with await start(flow("onward"), {"n": 3}, run_id=root, **options(place)) as handle:
            waits = await handle.result()
            await handle.approve("check")
            return waits, await handle.result(on_event=lambda event: types.append(event.type))

    waits, result = go(place, use)

    assert (waits.run_id, waits.status) == (f"{root}.g2", "waiting-approval")
    assert (result.run_id, result.status, result.last) == (f"{root}.g2", "finished", {"n": 3})
    assert types[-1] == "RunFinished"
    with pytest.raises(WrongState, match=rf"as {root}.g2, which is finished: `smithers up --resume {root}.g2`"):
        go(place, lambda: run(flow("onward"), run_id=root, resume=True, **options(place)))
    with pytest.raises(WrongState, match="it has continued as new"):
        go(place, lambda: run(flow("onward"), run_id=root, resume=True, pinned=True, **options(place)))
