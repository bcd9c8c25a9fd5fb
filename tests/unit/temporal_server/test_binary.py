"""Where the Temporal binary comes from."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from smithers.errors import ServerError, TemporalMissing
from smithers.temporal.server import binary, build, download
from smithers.temporal.server.release import VERSION, NotGot

FAKE_GO = """#!/bin/sh
echo "$@" >> "$(dirname "$0")/calls"
cp go.mod "$(dirname "$0")/seen.mod"
while [ "$1" != "-o" ]; do shift; done
sleep 0.3
printf '#!/bin/sh\\n' > "$2"
chmod 755 "$2"
"""


def program(path: Path, text: str = "#!/bin/sh\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without any Temporal binary, and without a network."""
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    for name in ("sh", "cp", "dirname", "sleep", "chmod"):
        (bin_folder / name).symlink_to(Path("/bin") / name)
    monkeypatch.setenv("PATH", str(bin_folder))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.delenv("SMITHERS_TEMPORAL_CLI", raising=False)
    return bin_folder


def test_the_users_own_comes_first_then_path_then_the_cache(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = program(binary.cached())
    assert binary.find() == kept

    on_path = program(bare / "temporal")
    assert binary.find() == on_path

    named = program(bare.parent / "mine")
    monkeypatch.setenv("SMITHERS_TEMPORAL_CLI", str(named))
    assert binary.find() == named


def test_a_named_binary_that_is_not_there_is_not_passed_over(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(bare / "temporal")
    monkeypatch.setenv("SMITHERS_TEMPORAL_CLI", "/nowhere/temporal")

    with pytest.raises(ServerError, match="/nowhere/temporal"):
        binary.find()


def test_a_relative_path_is_made_absolute(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(bare / "temporal")
    monkeypatch.chdir(bare.parent)
    monkeypatch.setenv("PATH", "bin")

    assert binary.find() == bare / "temporal"


def test_failure_names_all_four_ways(bare: Path) -> None:
    said: list[str] = []

    with pytest.raises(TemporalMissing) as caught:
        binary.find(said.append)

    assert re.search(r"(?s)1\. PATH.*2\. cache.*3\. download.*4\. build.*TEMPORAL_ADDRESS", caught.value.message)
    assert said[0].startswith("temporal: downloading")
    assert sorted(path.name for path in binary.cached().parent.iterdir()) == [f"temporal-{VERSION}.lock"]


def test_go_builds_the_pinned_version_and_says_so(bare: Path) -> None:
    program(bare / "go", FAKE_GO)
    said: list[str] = []

    path = binary.find(said.append)

    assert path == binary.cached()
    assert binary.is_program(path)
    assert any("building" in line and "4 minutes" in line for line in said)
    assert "-mod=readonly" in (bare / "calls").read_text()
    assert (bare / "seen.mod").read_text() == (build.WRAPPER / "go.mod").read_text()
    assert sorted(entry.name for entry in path.parent.iterdir()) == [path.name, f"{path.name}.lock"]


def test_two_commands_at_once_build_once(bare: Path) -> None:
    program(bare / "go", FAKE_GO)
    command = [sys.executable, "-m", "smithers.temporal.server.binary"]

    both = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    outputs = [process.communicate(timeout=50) for process in both]

    assert [output for output, _ in outputs] == [f"{binary.cached()}\n"] * 2
    assert len((bare / "calls").read_text().splitlines()) == 1
    assert any("another command is getting" in said for _, said in outputs)


def test_a_failed_build_shows_the_end_of_gos_output_and_leaves_no_binary(bare: Path, tmp_path: Path) -> None:
    program(bare / "go", "#!/bin/sh\necho go: go.mod requires go 1.26 >&2\nexit 1\n")

    with pytest.raises(NotGot, match=r"(?s)build: go ended with status 1.*requires go 1\.26"):
        build.get(tmp_path / "temporal", lambda _: None)

    assert not (tmp_path / "temporal").exists()


def test_a_download_that_stalls_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "SILENCE_LIMIT_S", 0.3)
    monkeypatch.setattr(download, "_PROGRAM", "import time; time.sleep(60)")

    with pytest.raises(NotGot, match="nothing came"):
        download.get(tmp_path / "temporal", lambda _: None)

    assert list(tmp_path.iterdir()) == []


def test_a_download_is_put_in_place_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = "import sys, pathlib; pathlib.Path(sys.argv[1], 'temporal-' + sys.argv[2]).write_text('#!/bin/sh')"
    monkeypatch.setattr(download, "_PROGRAM", made)

    download.get(tmp_path / "temporal", lambda _: None)

    assert binary.is_program(tmp_path / "temporal")
    assert [path.name for path in tmp_path.iterdir()] == ["temporal"]


def test_a_cache_that_cannot_be_written_is_named(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (bare.parent / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(bare.parent / "file"))

    with pytest.raises(TemporalMissing, match="XDG_CACHE_HOME"):
        binary.find()


def test_the_wrapper_pins_the_version_and_every_checksum() -> None:
    module = (build.WRAPPER / "go.mod").read_text()
    sums = (build.WRAPPER / "go.sum").read_text()

    assert f"github.com/temporalio/cli v{VERSION}\n" in module
    assert f"github.com/temporalio/cli v{VERSION} h1:" in sums
    assert '"github.com/temporalio/cli/cmd/temporal"' in (build.WRAPPER / "tools.go").read_text()
