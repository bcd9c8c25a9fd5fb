"""Ports of local servers."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smithers.temporal.server import ports


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("17233-17332", range(17233, 17333)),
        (" 18000 ", range(18000, 18001)),
        ("1024-65535", range(1024, 65536)),
    ],
)
def test_ranges_are_read(text: str, expected: range) -> None:
    assert ports.parse(text) == expected


@pytest.mark.parametrize("text", ["", "80", "18000-17000", "1-2-3", "65536", "a-b", "-1", "18000-"])
def test_wrong_ranges_are_refused_by_what_was_written(text: str) -> None:
    with pytest.raises(ValueError, match=f"range: {text!r}"):
        ports.parse(text)


@given(st.integers(0, 200), st.text(max_size=20))
def test_every_port_is_tried_once(preferred: int, root: str) -> None:
    assert sorted(ports.candidates(range(50, 90), preferred, root)) == list(range(50, 90))


def test_the_last_port_comes_first() -> None:
    assert ports.candidates(range(50, 54), 52, "/any") == [52, 53, 50, 51]


def test_projects_begin_at_different_ports() -> None:
    firsts = {ports.candidates(ports.DEFAULT, 0, f"/home/me/project{n}")[0] for n in range(50)}

    assert len(firsts) > 25


def test_a_listening_port_is_neither_free_nor_silent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        assert not ports.is_free(port)
        assert ports.answers(port)

    assert ports.is_free(port)
    assert not ports.answers(port)


@pytest.mark.skipif(not Path("/proc/self/net/tcp").exists(), reason="missing proc: this system has no /proc")
def test_the_owner_of_a_port_is_known() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        assert ports.is_owner(os.getpid(), port)
        assert not ports.is_owner(os.getppid(), port)


def test_without_proc_nobody_is_accused(tmp_path: Path) -> None:
    assert ports.is_owner(1, 17233, proc=tmp_path)
