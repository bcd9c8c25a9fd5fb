"""JSON lines between commands and the supervisor."""

from __future__ import annotations

import selectors
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from smithers.temporal.server import wire
from smithers.temporal.server.peers import Peer, Peers

Rounds = Any


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    one, other = socket.socketpair()
    with one, other:
        one.settimeout(5)
        other.settimeout(5)
        yield one, other


def test_an_answer_may_come_in_pieces(pair: tuple[socket.socket, socket.socket]) -> None:
    one, other = pair
    for piece in (b'{"addr', b'ess": "x', b'"}\n'):
        other.sendall(piece)

    assert wire.answer(one) == {"address": "x"}


def test_an_end_before_the_answer_is_gone(pair: tuple[socket.socket, socket.socket]) -> None:
    one, other = pair
    other.sendall(b'{"address"')
    other.close()

    with pytest.raises(wire.Gone):
        wire.answer(one)
    with pytest.raises(wire.Gone):
        wire.ask(one, {"op": "status"})


def test_no_answer_is_a_timeout(pair: tuple[socket.socket, socket.socket]) -> None:
    pair[0].settimeout(0.01)

    with pytest.raises(TimeoutError):
        wire.ask(pair[0], {"op": "status"})


class Serving:
    """Peers on a socket of its own, driven by hand."""

    def __init__(self, path: str) -> None:
        self.heard: list[dict[str, Any]] = []
        self.selector = selectors.DefaultSelector()
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen()
        self.peers = Peers(listener, self.selector, self.handle)
        self.path = path

    def handle(self, peer: Peer, request: dict[str, Any]) -> None:
        self.heard.append(request)
        peer.holds = request.get("op") == "hello"
        float(request.get("at", 0))
        self.peers.send(peer, {"heard": len(self.heard)})

    def connect(self) -> socket.socket:
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(5)
        client.connect(self.path)
        return client

    def turn(self) -> None:
        while events := self.selector.select(0.02):
            for key, _ in events:
                key.data(key.fileobj)


@pytest.fixture
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    served = Serving(str(tmp_path_factory.mktemp("s") / "s"))
    yield served
    for peer in served.peers.all:
        peer.socket.close()
    served.peers.close()
    served.selector.close()


def test_holders_are_counted_until_they_close(serving: Serving) -> None:
    holder, looker = serving.connect(), serving.connect()
    holder.sendall(wire.encode({"op": "hello"}))
    looker.sendall(wire.encode({"op": "status"}))
    serving.turn()
    assert serving.peers.holders == 1

    holder.close()
    looker.close()
    serving.turn()

    assert serving.peers.holders == 0
    assert serving.peers.all == set()


def test_requests_in_one_packet_are_all_heard(serving: Serving) -> None:
    with serving.connect() as client:
        client.sendall(wire.encode({"op": "a"}) + wire.encode({"op": "b"}))
        serving.turn()

    assert serving.heard == [{"op": "a"}, {"op": "b"}]


@pytest.mark.parametrize("line", [b"\n", b"hello\n", b"[1]\n", b'{"at": "x"}\n', b'{"at": []}\n', b"\xff\n"])
def test_nonsense_is_answered_and_breaks_nothing(serving: Serving, line: bytes) -> None:
    with serving.connect() as client:
        client.sendall(line)
        serving.turn()
        assert wire.answer(client)["error"]["code"] == "INPUT_ERROR"

        client.sendall(wire.encode({"op": "fine"}))
        serving.turn()
        assert "heard" in wire.answer(client)


def test_an_endless_line_is_cut_off(serving: Serving) -> None:
    with serving.connect() as client:
        for _ in range(2):
            client.sendall(b"x" * wire.LONGEST_LINE)
            serving.turn()

    assert serving.peers.all == set()


def test_a_peer_that_vanished_before_its_answer_is_forgotten(serving: Serving) -> None:
    client = serving.connect()
    client.sendall(wire.encode({"op": "hello"}))
    client.close()

    serving.turn()

    assert serving.peers.all == set()
