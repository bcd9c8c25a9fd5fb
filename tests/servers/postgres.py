"""A private PostgreSQL cluster, started by the first test that asks and stopped with the session.

`from tests.servers.postgres import postgres, postgres_url` in a test module or conftest makes both fixtures known
there. PostgreSQL does not run as root, so as root the cluster runs as the user `postgres` of Debian's package.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest

PACKAGE = "postgresql"
OPTIONS = "-c fsync=off -c full_page_writes=off -c max_connections=60"


def binaries() -> Path:
    """The newest installation's programs. Fails the test that asks if there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    if on_path := shutil.which("initdb"):
        return Path(on_path).parent
    pytest.fail(f"PostgreSQL is not installed. Install it: apt-get install -y {PACKAGE}", pytrace=False)


def other_user() -> pwd.struct_passwd | None:
    """Whom the cluster runs as; None is us."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return pwd.getpwnam("nobody")


@dataclass
class Cluster:
    folder: Path
    """Short, for the socket's path may have 107 bytes."""
    programs: Path = field(default_factory=binaries)
    user: pwd.struct_passwd | None = field(default_factory=other_user)
    names: count[int] = field(default_factory=count)

    def make(self) -> None:
        if self.user is not None:
            os.chown(self.folder, self.user.pw_uid, self.user.pw_gid)
        self.run("initdb", "-D", self.data, "-U", "app", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync")

    def start(self) -> None:
        options = f"-c listen_addresses='' -c unix_socket_directories={self.folder} {OPTIONS}"
        self.run("pg_ctl", "-D", self.data, "-w", "-s", "-l", str(self.folder / "log"), "-o", options, "start")

    def stop(self, mode: str = "immediate") -> None:
        """`immediate` is a crash, `fast` a shutdown that ends all sessions."""
        self.run("pg_ctl", "-D", self.data, "-w", "-s", "-m", mode, "stop")

    def database(self) -> str:
        """Makes an empty database and returns its URL."""
        name = f"test{next(self.names)}"
        self.run("createdb", "-h", str(self.folder), "-U", "app", name)
        return f"postgresql://app@/{name}?host={self.folder}"

    def run(self, program: str, *arguments: str) -> None:
        drop = []
        if self.user is not None:
            drop = ["setpriv", f"--reuid={self.user.pw_uid}", f"--regid={self.user.pw_gid}", "--clear-groups", "--"]
        command = [*drop, str(self.programs / program), *arguments]
        # Not a pipe: the server keeps it open after `pg_ctl start` has ended.
        with tempfile.TemporaryFile() as output:
            done = subprocess.run(
                command, cwd="/", stdin=subprocess.DEVNULL, stdout=output, stderr=output, timeout=60, check=False
            )
            output.seek(0)
            assert done.returncode == 0, f"{program} failed: {output.read().decode(errors='replace')}"

    @property
    def data(self) -> str:
        return str(self.folder / "d")


@contextmanager
def running() -> Generator[Cluster]:
    """A cluster in a folder of its own. Its tens of thousands of files go while others work."""
    folder = tempfile.mkdtemp(prefix="pg", dir="/tmp")
    try:
        cluster = Cluster(Path(folder))
        cluster.make()
        cluster.start()
        try:
            yield cluster
        finally:
            cluster.stop()
    finally:
        subprocess.run(["setsid", "sh", "-c", 'rm -rf "$0" >/dev/null 2>&1 &', folder], check=True)


@dataclass
class Shared:
    """To pytest each import of the fixture is another one; this makes them the same cluster."""

    users: int = 0
    stack: ExitStack = field(default_factory=ExitStack)
    cluster: Cluster | None = None

    def join(self) -> Cluster:
        if self.cluster is None:
            self.cluster = self.stack.enter_context(running())
        self.users += 1
        return self.cluster

    def leave(self) -> None:
        self.users -= 1
        if not self.users:
            self.cluster = None
            self.stack.close()


_shared = Shared()


@pytest.fixture(scope="session")
def postgres() -> Generator[Cluster]:
    """A running cluster, one for the session."""
    yield _shared.join()
    _shared.leave()


@pytest.fixture
def postgres_url(postgres: Cluster) -> str:
    """URL of an empty database."""
    return postgres.database()
