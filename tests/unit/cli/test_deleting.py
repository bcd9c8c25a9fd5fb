"""`smithers delete` and `prune`: what they refuse, what they ask, what they say."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing

import pytest

from smithers.cli.commands import prune
from smithers.store.records import LogLine, Sources
from smithers.worker import copies
from smithers.worker.sources import COPY
from tests.unit.cli.flows import release
from tests.unit.cli.stage import Stage

pytestmark = pytest.mark.decision("0018")


def ended(stage: Stage, run_id: str, error: str = "") -> None:
    stage.start(release, run_id)
    stage.end(run_id, "build", error=error or "no way")


def ids(stage: Stage) -> list[str]:
    return [run["runId"] for run in stage.call("ps", "--json").json["runs"]]


def test_runs_that_have_ended_are_deleted(stage: Stage):
    for name in ("r1", "r2", "r3"):
        ended(stage, name)

    answer = stage.call("delete", "r1", "r2", "r1", "--yes", "--json")

    assert [one["runId"] for one in answer.json["deleted"]] == ["r1", "r2"]
    assert ids(stage) == ["r3"]
    assert "✓ r3 is deleted" in stage.call("delete", "r3", "--yes").out


def test_one_open_run_among_them_keeps_all(stage: Stage):
    ended(stage, "r1")
    stage.start(release, "r2")

    refused = stage.call("delete", "r1", "r2", "--yes", "--json")

    assert refused.error["code"] == "WRONG_STATE"
    assert refused.error["data"]["runs"] == {"r2": "running"}
    assert sorted(ids(stage)) == ["r1", "r2"]


def test_nothing_is_deleted_where_nobody_can_be_asked(stage: Stage):
    ended(stage, "r1")

    for words in (("delete", "r1"), ("prune", "--older-than", "0s")):
        refused = stage.call(*words)
        assert refused.status == 4
        assert "--yes" in refused.err
    assert ids(stage) == ["r1"]


def test_pruning_goes_by_the_time_of_the_end(stage: Stage, monkeypatch: pytest.MonkeyPatch):
    ended(stage, "r1")
    stage.start(release, "r2")
    now = prune.now_ms()

    assert stage.call("prune", "--older-than", "1d", "--yes", "--json").json["deleted"] == []
    monkeypatch.setattr(prune, "now_ms", lambda: now + 2 * 86_400_000)
    shown = stage.call("prune", "--older-than", "1d", "--dry-run", "--json").json
    assert [(run["runId"], run["status"]) for run in shown["runs"]] == [("r1", "failed")]
    assert stage.call("prune", "--older-than", "1d", "--status", "finished", "--yes", "--json").json["deleted"] == []
    assert sorted(ids(stage)) == ["r1", "r2"]
    pruned = stage.call("prune", "--older-than", "1d", "--status", "failed", "--yes", "--json").json
    assert [one["runId"] for one in pruned["deleted"]] == ["r1"]
    assert ids(stage) == ["r2"]


def test_pruning_removes_copies_of_code_that_nobody_needs(stage: Stage):
    stage.store.write_sources(Sources("a" * 64, "flow.py", {"flow.py": b""}))
    path = copies.written(stage.root / ".smithers" / "code", "a" * 64, "flow.py", {}, stage.root / "flow.py").parent
    os.utime(path / COPY, (0, 0))
    words = ("prune", "--older-than", "1d")

    shown = stage.call(*words, "--dry-run", "--json").json
    assert shown == {"runs": [], "copies": [{"digest": "a" * 64, "folder": str(path)}]}
    assert "0 runs would be deleted, and 1 copy of old code." in stage.call(*words, "--dry-run").err
    assert path.exists()

    done = stage.call(*words, "--yes", "--json").json
    assert (done["deleted"], done["copies"]) == ([], shown["copies"])
    assert not path.exists()


def test_a_status_that_ends_no_run_is_refused(stage: Stage):
    ended(stage, "r1")

    refused = stage.call("prune", "--older-than", "1d", "--status", "running", "--json")

    assert "cancelled, continued, failed, finished" in refused.error["message"]


def test_the_file_gets_smaller(stage: Stage):
    ended(stage, "r1")
    stage.store.write_log_lines([LogLine("r1", "build", "", 1, n, "out", "x" * 1000) for n in range(4000)])
    path = stage.root / ".smithers" / "smithers.db"
    before = pages(path)

    assert stage.call("delete", "r1", "--yes", "--json").json["emptyBytes"] == 0

    assert pages(path) < before / 4


def test_a_file_of_an_earlier_version_says_how_it_gets_smaller(stage: Stage):
    ended(stage, "r1")
    stage.store.write_log_lines([LogLine("r1", "build", "", 1, n, "out", "x" * 1000) for n in range(400)])
    stage.store.close()
    stage.opened.clear()
    with closing(sqlite3.connect(stage.root / ".smithers" / "smithers.db", isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute("PRAGMA auto_vacuum = NONE")
        connection.execute("VACUUM")

    answer = stage.call("delete", "r1", "--yes")

    assert "bytes in the file are empty" in answer.err
    assert "VACUUM" in answer.err


def pages(path: object) -> int:
    with closing(sqlite3.connect(str(path))) as connection:
        return connection.execute("PRAGMA page_count").fetchone()[0]
