from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from smithers.worker.code import LoadedCode, load

EXAMPLES = Path(__file__).parents[3] / "examples"
AUTHOR = {
    "GIT_AUTHOR_NAME": "Ada",
    "GIT_AUTHOR_EMAIL": "ada@example.org",
    "GIT_COMMITTER_NAME": "Ada",
    "GIT_COMMITTER_EMAIL": "ada@example.org",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
}
Git = Callable[..., str]
Commit = Callable[..., None]


@pytest.fixture(scope="session")
def release() -> LoadedCode:
    return load(EXAMPLES / "release_notes.py")


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    folder = tmp_path / "repo"
    folder.mkdir()
    run_git(folder, "init", "--quiet", "--initial-branch=main")
    return folder


@pytest.fixture
def git(repo: Path) -> Git:
    return lambda *arguments: run_git(repo, *arguments)


@pytest.fixture
def commit(repo: Path) -> Commit:
    """Writes files and commits them."""

    def commit_files(subject: str, **files: str) -> None:
        for name, text in files.items():
            path = repo / name.replace("__", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        run_git(repo, "add", "--all")
        run_git(repo, "commit", "--quiet", "--allow-empty", "-m", subject)

    return commit_files


def run_git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env={**os.environ, **AUTHOR})
    return done.stdout
