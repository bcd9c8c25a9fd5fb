from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from smithers import NonRetryable
from smithers.worker.code import LoadedCode
from tests.unit.examples.conftest import Commit, Git


@pytest.fixture
def world(release: LoadedCode) -> Any:
    return release.modules["release_git"]


def test_without_tags_the_last_commits_are_read(world: Any, repo: Path, commit: Commit) -> None:
    for number in range(35):
        commit(f"change {number}", src__file=str(number))

    history = world.read_history(repo / "src", None, None)

    assert [c.subject for c in history.commits] == [f"change {n}" for n in range(34, 4, -1)]
    assert history.range == "last 30 commits"
    assert history.repo == str(repo)
    assert history.target == str(repo / "RELEASE_NOTES.md")


def test_with_a_tag_what_came_after_it_is_read(world: Any, repo: Path, commit: Commit, git: Git) -> None:
    commit("before", a="1")
    git("tag", "v1.0")
    commit("after", a="2")

    assert [c.subject for c in world.read_history(repo, None, None).commits] == ["after"]
    assert world.read_history(repo, None, None).range == "v1.0..HEAD"
    assert len(world.read_history(repo, "HEAD", None).commits) == 2


def test_merges_do_not_count_and_renames_do(world: Any, repo: Path, commit: Commit, git: Git) -> None:
    commit("first", old__a="1\n2\n3\n")
    git("checkout", "--quiet", "-b", "side")
    git("mv", "old", "new")
    commit("renamed")
    git("checkout", "--quiet", "main")
    git("merge", "--quiet", "--no-ff", "-m", "merged", "side")

    history = world.read_history(repo, None, None)

    assert [c.subject for c in history.commits] == ["renamed", "first"]
    assert history.commits[0].files == 2


def test_what_is_no_repository_is_refused(world: Any, tmp_path: Path) -> None:
    with pytest.raises(NonRetryable, match="There is no folder"):
        world.read_history(tmp_path / "nowhere", None, None)
    with pytest.raises(NonRetryable, match="is not in a git repository"):
        world.read_history(tmp_path, None, None)


def test_empty_and_wrong_ranges_are_refused(world: Any, repo: Path, commit: Commit, git: Git) -> None:
    with pytest.raises(NonRetryable, match="'HEAD' is not a range of commits"):
        world.read_history(repo, None, None)
    commit("only", a="1")
    git("tag", "v1")

    with pytest.raises(NonRetryable, match=r"no commits in 'v1\.\.HEAD'"):
        world.read_history(repo, None, None)
    with pytest.raises(NonRetryable, match=r"'v7\.\.v8' is not a range"):
        world.read_history(repo, "v7..v8", None)


def test_saving_replaces_the_file_and_leaves_nothing_behind(world: Any, tmp_path: Path) -> None:
    target = tmp_path / "notes.md"
    target.write_text("old")
    target.chmod(0o640)

    first = world.save("neu\n", target, "key")
    again = world.save("neu\n", target, "key")

    assert first == again
    assert target.read_text() == "neu\n"
    assert target.stat().st_mode & 0o777 == 0o640
    assert [path.name for path in tmp_path.iterdir()] == ["notes.md"]


def test_a_read_only_target_is_refused_and_stays_as_it_is(world: Any, tmp_path: Path) -> None:
    file, folder = tmp_path / "file.md", tmp_path / "folder"
    file.write_text("old")
    file.chmod(0o444)
    folder.mkdir(mode=0o555)

    with pytest.raises(NonRetryable, match="is read-only"):
        world.save("new", file, "key")
    with pytest.raises(NonRetryable, match="is read-only"):
        world.save("new", folder / "notes.md", "key")
    with pytest.raises(NonRetryable, match="is a folder"):
        world.save("new", folder, "key")
    with pytest.raises(NonRetryable, match="There is no folder"):
        world.save("new", tmp_path / "nowhere" / "notes.md", "key")

    assert file.read_text() == "old"
