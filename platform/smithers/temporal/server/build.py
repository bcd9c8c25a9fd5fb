"""Builds the Temporal CLI from source through the Go module proxy.

The CLI's own module cannot be installed by `go install`, as it replaces a nested module by a folder of its repository.
`wrapper/` is a module of ours that replaces it by the published version instead, with all versions and checksums
pinned. The build happens in a copy: the package's folder may be read-only.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from smithers.temporal.server.log import tail
from smithers.temporal.server.release import VERSION, NotGot

WRAPPER = Path(__file__).parent / "wrapper"

PACKAGE = "github.com/temporalio/cli/cmd/temporal"

LIMIT_S = 45 * 60.0

REPORT_EVERY_S = 20.0


def get(target: Path, say: Callable[[str], None]) -> None:
    """Puts the binary at `target`. Raises NotGot."""
    go = shutil.which("go")
    if go is None:
        raise NotGot("build: there is no Go (no program called go on PATH)")
    say(f"temporal: building the Temporal CLI {VERSION} from source with {go}; takes about 4 minutes on 2 cores, once")
    began = time.monotonic()
    log = target.with_name(f"{target.name}.build.log")
    with tempfile.TemporaryDirectory(prefix=".build-", dir=target.parent) as name:
        module = Path(name) / "module"
        shutil.copytree(WRAPPER, module)
        made = Path(name) / target.name
        _run(command(go, made), module, log, say)
        made.replace(target)
    log.unlink(missing_ok=True)
    say(f"temporal: built {target} in {time.monotonic() - began:.0f} s")


def command(go: str, made: Path) -> list[str]:
    flags = f"-s -w -X github.com/temporalio/cli/internal/temporalcli.Version={VERSION}"
    return [go, "build", "-mod=readonly", "-trimpath", "-buildvcs=false", "-ldflags", flags, "-o", str(made), PACKAGE]


def _run(build: list[str], module: Path, log: Path, say: Callable[[str], None]) -> None:
    # No cgo: needs no C compiler, and the binary runs in any container that shares the cache. No workspace or flags
    # of the user's: they are meant for other modules. The proxy and checksum settings are the user's.
    environment = {**os.environ, "CGO_ENABLED": "0", "GOWORK": "off", "GOFLAGS": ""}
    with log.open("wb") as output:
        child = subprocess.Popen(
            build, cwd=module, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
        try:
            _wait(child, say)
        finally:
            child.terminate()  # go ends its compilers
            child.wait()
    if child.returncode != 0:
        raise NotGot(f"build: go ended with status {child.returncode}; the end of {log}:\n{tail(log)}")


def _wait(child: subprocess.Popen[bytes], say: Callable[[str], None]) -> None:
    began = time.monotonic()
    while True:
        try:
            child.wait(REPORT_EVERY_S)
            return
        except subprocess.TimeoutExpired:
            spent_s = time.monotonic() - began
        if spent_s > LIMIT_S:
            raise NotGot(f"build: not done after {LIMIT_S / 60:.0f} minutes")
        say(f"temporal: still building ({spent_s:.0f} s)")
