from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from smithers.errors import InvalidInput
from smithers.testing import Simulated, simulate
from smithers.worker.code import LoadedCode, load
from tests.unit.examples.conftest import EXAMPLES, Commit


def released(release: LoadedCode, repo: Path, /, *, decided: bool | None = True, **more: Any) -> Simulated:
    decisions = {} if decided is None else {"publish": decided}
    return simulate(release.workflow, {"repo": str(repo)} | more, decisions=decisions, rebuild=True)


def test_hello_greets() -> None:
    code = load(EXAMPLES / "hello.py")

    greeted = simulate(code.workflow, {"name": "Ada"})

    assert greeted.output(code.resolve("smithers_workflow_hello:Greeting"), "greet").text == "Hello, Ada!"


@pytest.mark.feature("continueasnew.after-loop", "continueasnew.state")
def test_a_file_is_looked_for_in_as_many_runs_as_it_takes(tmp_path: Path) -> None:
    code = load(EXAMPLES / "wait_for_file.py")
    looked, file = code.resolve("smithers_workflow_wait_for_file:Looked"), tmp_path / "done.txt"
    input = {"path": str(file), "looks": 3}

    waiting = simulate(code.workflow, input, rebuild=True, runs=4)
    assert (waiting.status, len(waiting.before)) == ("continued", 3)
    assert waiting.output(looked, "look", "2").times == 12
    assert timedelta(seconds=12 * 2) <= waiting.elapsed < timedelta(seconds=12 * 2 + 1)
    file.write_text("abc")
    found = simulate(code.workflow, input, rebuild=True)
    assert (found.status, found.before, found.output(looked, "look", "0").bytes) == ("finished", [], 3)


def test_notes_are_read_drafted_approved_and_written(release: LoadedCode, repo: Path, commit: Commit) -> None:
    commit("feat: add a door", src__door="1")
    commit("docs: explain the door", docs__door="1")

    run = released(release, repo)

    assert run.status == "finished"
    assert run.started == ["commits", "area-1-docs", "area-2-src", "draft:0", "write"]
    written = (repo / "RELEASE_NOTES.md").read_text()
    assert "last 2 commits: 2 commits in 2 areas." in written
    assert "- Add a door (Ada, " in written


def test_drafts_are_shortened_until_one_fits(release: LoadedCode, repo: Path, commit: Commit) -> None:
    for number in range(20):
        commit(f"feat: add door number {number}", src__door=str(number))

    run = released(release, repo, max_chars=300)

    assert run.status == "finished"
    assert [name for name in run.started if name.startswith("draft")] == ["draft:0", "draft:1", "draft:2"]
    assert len((repo / "RELEASE_NOTES.md").read_text()) <= 300


def test_a_person_sees_the_text_before_anything_is_written(release: LoadedCode, repo: Path, commit: Commit) -> None:
    commit("feat: add a door", src__door="1")

    run = released(release, repo, decided=None)

    assert run.waiting == ["publish"]
    row = run.run.nodes["publish:"]
    assert row.detail is not None
    assert "Add a door" in row.detail["summary"]
    assert not (repo / "RELEASE_NOTES.md").exists()


def test_nothing_is_written_when_it_is_denied(release: LoadedCode, repo: Path, commit: Commit) -> None:
    commit("feat: add a door", src__door="1")

    run = released(release, repo, decided=False)

    assert run.status == "failed"
    assert not (repo / "RELEASE_NOTES.md").exists()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"range": "HEAD..HEAD"}, r"There are no commits in 'HEAD\.\.HEAD'"),
        ({"repo": "/"}, "is not in a git repository"),
        ({"target": "{repo}/locked.md"}, "is read-only"),
    ],
)
def test_what_cannot_work_fails_at_once_and_says_why(
    release: LoadedCode, repo: Path, commit: Commit, more: dict[str, str], message: str
) -> None:
    commit("first", src__door="1")
    (repo / "locked.md").touch(mode=0o444)

    filled: dict[str, Any] = {name: text.replace("{repo}", str(repo)) for name, text in more.items()}
    run = released(release, repo, **filled)

    assert run.status == "failed"
    assert run.started == ["commits"]
    assert run.error is not None
    with pytest.raises(AssertionError, match=message):
        raise AssertionError(run.error["message"])


@pytest.mark.parametrize("more", [{"max_chars": 5}, {"range": "--output=x"}, {"rnage": "HEAD"}])
def test_wrong_input_is_refused_before_anything_runs(release: LoadedCode, repo: Path, more: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        released(release, repo, **more)
