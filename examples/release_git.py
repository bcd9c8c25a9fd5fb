"""What release notes need from the world: git's log, and a file that is replaced in one step."""

from __future__ import annotations

import hashlib
import os
import stat
import subprocess
from pathlib import Path

from pydantic import BaseModel
from release_text import LOG_FORMAT, History, grouped, parse_log

from smithers import NonRetryable

LAST_COMMITS = 30


class Written(BaseModel):
    path: str
    chars: int
    sha256: str


class GitRefused(Exception):
    """Git ended with an error; the text is what it said."""


def git(repo: Path, *arguments: str) -> str:
    """What git prints. Raises `GitRefused`."""
    done = subprocess.run(
        ["git", "-C", str(repo), "-c", "core.quotePath=false", *arguments],
        capture_output=True,
        check=False,
        encoding="utf-8",
        errors="replace",
        env={**os.environ, "LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0"},
    )
    if done.returncode:
        raise GitRefused(done.stderr.strip() or f"git {arguments[0]} ended with status {done.returncode}")
    return done.stdout


def read_history(folder: Path, wanted: str | None, target: str | None) -> History:
    """The commits of a range, newest first, without merges.

    Raises `NonRetryable` for a folder that is no repository, and for a range that is wrong or empty.
    """
    repo = top_of(folder)
    range, *limit = [wanted] if wanted else default_range(repo)
    try:
        options = ["--topo-order", "--no-merges", "--no-renames", "--numstat", f"--format={LOG_FORMAT}", *limit]
        log = git(repo, "log", *options, range, "--")
    except GitRefused as error:
        raise NonRetryable(f"{range!r} is not a range of commits in {repo}: {error}") from error
    commits, areas = grouped(parse_log(log))
    if not commits:
        raise NonRetryable(f"There are no commits in {range!r} of {repo} (merges do not count). Give another range.")
    shown = f"last {len(commits)} commits" if limit else range
    file = Path(target).expanduser().absolute() if target else repo / "RELEASE_NOTES.md"
    return History(repo=str(repo), range=shown, target=str(file), commits=commits, areas=areas)


def top_of(folder: Path) -> Path:
    if not folder.is_dir():
        raise NonRetryable(f"There is no folder {folder.absolute()}.")
    try:
        return Path(git(folder, "rev-parse", "--show-toplevel").strip())
    except GitRefused as error:
        raise NonRetryable(f"{folder.absolute()} is not in a git repository: {error}") from error
    except FileNotFoundError as error:
        raise NonRetryable("The git command is not installed.") from error


def default_range(repo: Path) -> list[str]:
    """Since the last tag; where there is none, a limit of the last commits."""
    try:
        tag = git(repo, "describe", "--tags", "--abbrev=0").strip()
    except GitRefused:
        return ["HEAD", f"-{LAST_COMMITS}"]
    return [f"{tag}..HEAD"]


def refuse_read_only(target: Path) -> None:
    """Raises `NonRetryable` if the file cannot be written."""
    if target.is_dir():
        raise NonRetryable(f"{target} is a folder: give the name of a file.")
    if not target.parent.is_dir():
        raise NonRetryable(f"There is no folder {target.parent} to write {target.name} to.")
    for path in (target.parent, target):
        if path.exists() and not is_writable(path):
            raise NonRetryable(f"{path} is read-only, so {target.name} cannot be written. Give another target.")


def is_writable(path: Path) -> bool:
    """What the file says counts for root, too, who could write anyway."""
    return os.access(path, os.W_OK) and bool(path.stat().st_mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH))


def save(text: str, target: Path, key: str) -> Written:
    """Replaces the file in one step. Doing it again does no harm: the file has the same text then.

    The key names the temporary file, so that a second attempt replaces what a first one may have left behind.
    """
    refuse_read_only(target)
    data = text.encode()
    fresh = target.with_name(f".{target.name}.{hashlib.sha256(key.encode()).hexdigest()[:12]}")
    try:
        with fresh.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            fresh.chmod(stat.S_IMODE(target.stat().st_mode))
        fresh.replace(target)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
    return Written(path=str(target), chars=len(text), sha256=hashlib.sha256(data).hexdigest())
