"""Which old codes get a process, when there are more than places."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path

import pytest

from smithers.engine.entry import Fact
from smithers.project import Project
from smithers.store.memory import MemoryStore
from smithers.store.records import Append, NewRun, PlanWrite, Sources
from smithers.worker.hosted import HostedCodes

pytestmark = pytest.mark.decision("0014")

STATUS = {"run": "running", "wait": "waiting-approval", "code": "waiting-code"}


def digest_of(code: str) -> str:
    return hashlib.sha256(code.encode()).hexdigest()


@pytest.fixture
def hosted(tmp_path: Path) -> HostedCodes:
    return HostedCodes(Project(tmp_path), MemoryStore(), lambda: {digest_of("own")}, most=2)


def add(hosted: HostedCodes, run: str, code: str, status: str = "wait", *, kept: bool = True) -> None:
    """A run whose facts are all planned."""
    store, digest = hosted.store, digest_of(code)
    store.create_run(NewRun(run, "ship", {}, digest, f"/p/{code}.py"))
    if kept:
        store.write_sources(Sources(digest, "flow.py", {"flow.py": b""}))
    frame = Fact("frame", "frame:1", {"number": 1})
    store.append(Append(run, (), PlanWrite(0, 1, 0, frame, (), status=STATUS[status])))


def wanted(hosted: HostedCodes) -> list[str]:
    return [Path(source).stem for source in hosted.wanted(hosted.store.due_runs()).values()]


def test_codes_of_open_runs_that_nobody_holds_are_wanted(hosted: HostedCodes) -> None:
    add(hosted, "r1", "own")
    add(hosted, "r2", "a")
    add(hosted, "r3", "a")

    assert wanted(hosted) == ["a"]


def test_runs_with_something_to_do_come_first(hosted: HostedCodes) -> None:
    for code in ("a", "b", "c", "d", "e"):
        add(hosted, code, code, {"b": "run", "c": "code"}.get(code, "wait"))
    hosted.store.append(Append("d", (Fact("decided", "decided:x:", {}),)))

    assert sorted(wanted(hosted)) == ["b", "d"]


def test_it_says_so_once_when_there_are_more_than_places(hosted: HostedCodes, caplog: pytest.LogCaptureFixture) -> None:
    for code in ("a", "b", "c"):
        add(hosted, code, code)
    with caplog.at_level(logging.WARNING):
        wanted(hosted)
        wanted(hosted)

    assert [record.message for record in caplog.records] == [
        "open runs are pinned to 3 codes that nobody holds; 2 are hosted at once (SMITHERS_HOSTED_CODES)"
    ]


def test_a_code_without_sources_is_named_and_left_alone_for_a_while(
    hosted: HostedCodes, caplog: pytest.LogCaptureFixture
) -> None:
    add(hosted, "r1", "a", kept=False)
    with caplog.at_level(logging.WARNING):
        hosted.look(hosted.store.due_runs())
        hosted.look(hosted.store.due_runs())

    assert (hosted.guests, wanted(hosted)) == ({}, [])
    assert [digest_of("a")[:12] in record.message for record in caplog.records] == [True]
    assert "put the file back as it was, or follow the new code" in caplog.records[0].message
