"""Files of a server, and its logs."""

from __future__ import annotations

import socket
from pathlib import Path

from smithers.temporal.server.log import tail, trim
from smithers.temporal.server.places import LONGEST_SOCKET_PATH, read_json, short_path, write_json


def test_a_short_path_is_used_as_it_is() -> None:
    with short_path(Path("/tmp/x/supervisor.sock")) as path:
        assert path == "/tmp/x/supervisor.sock"


def test_a_long_path_is_bound_and_reached_through_a_link(tmp_path: Path) -> None:
    folder = tmp_path / ("a" * 100) / ("ü" * 60)
    folder.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as client:
        with short_path(folder / "s") as path:
            assert len(path.encode()) <= LONGEST_SOCKET_PATH
            listener.bind(path)
        listener.listen()

        with short_path(folder / "s") as again:
            client.connect(again)

    assert (folder / "s").is_socket()
    assert not Path(path).parent.exists()


def test_json_is_replaced_in_one_step(tmp_path: Path) -> None:
    file = tmp_path / "x.json"
    write_json(file, {"a": 1})
    write_json(file, {"a": 2})

    assert read_json(file) == {"a": 2}
    assert list(tmp_path.iterdir()) == [file]


def test_what_is_no_object_reads_as_empty(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("[1]")

    assert read_json(tmp_path / "x") == {}
    assert read_json(tmp_path / "missing") == {}


def test_the_end_of_a_log_is_indented(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("\n".join(map(str, range(5000))))

    assert tail(log, lines=2) == "  4998\n  4999"
    assert tail(tmp_path / "missing") == "  (nothing)"


def test_a_log_that_grew_too_long_begins_anew_for_its_writers(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with log.open("ab", buffering=0) as writer:
        writer.write(b"x" * 100)
        trim(log, limit_bytes=100)
        assert log.stat().st_size == 100
        trim(log, limit_bytes=99)
        writer.write(b"new")

    assert log.read_bytes() == b"new"
