"""One JSON object a line, over the supervisor's unix socket.

    {"op": "hello", "namespace": "default"}   -> {"address", "pid", "version", "root"}, once the server is ready
    {"op": "keep_until", "at": 1767225600.0}  -> {"keep_until"}   stay until then (epoch seconds), holder or not;
                                                                with "reason": set anew, and kept over restarts
    {"op": "status"}                          -> {"pid", "server_pid", "address", "holders", ...}
    {"op": "stop"}                            -> {"stopping": true}, and the end of the stream once all is gone

A connection that said hello holds the server until it closes, and the kernel closes it with its process, whatever
happens to that. A supervisor that leaves because it was told to, or because its folder has moved, says so to its
holders first: `{"leaving": why}`; one that dies does not. Every answer may be `{"error": {"code", "message"}}` instead.
"""

from __future__ import annotations

import json
import socket
from typing import Any, cast

LONGEST_LINE = 64 * 1024


class Gone(ConnectionError):
    """The other side closed the connection."""


def encode(message: dict[str, Any]) -> bytes:
    return json.dumps(message).encode() + b"\n"


def decode(line: bytes) -> dict[str, Any]:
    """Raises ValueError when the line is no JSON object."""
    value: object = json.loads(line)
    if not isinstance(value, dict):
        raise ValueError("not an object")
    return cast(dict[str, Any], value)


def refusal(code: str, message: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": message}}


def ask(connection: socket.socket, message: dict[str, Any]) -> dict[str, Any]:
    """Sends one request and waits for its answer, as long as the socket's timeout. Raises Gone, TimeoutError."""
    try:
        connection.sendall(encode(message))
    except (ConnectionResetError, BrokenPipeError) as error:
        raise Gone(str(error)) from error
    return answer(connection)


def said_farewell(connection: socket.socket) -> bool:
    """Whether a holder's connection, on which no answer is awaited, ended in good order."""
    try:
        return connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) != b""
    except OSError:
        return False


def answer(connection: socket.socket) -> dict[str, Any]:
    """Waits for the answer to a request that was sent. Raises Gone, TimeoutError."""
    try:
        return decode(_line(connection))
    except (ConnectionResetError, BrokenPipeError) as error:
        raise Gone(str(error)) from error


def _line(connection: socket.socket) -> bytes:
    """Reads to the end of one line and not further: a farewell may follow, which others look for."""
    line = b""
    while not line.endswith(b"\n"):
        seen = connection.recv(4096, socket.MSG_PEEK)
        if not seen or len(line) > LONGEST_LINE:
            raise Gone("closed before it answered")
        line += connection.recv(seen.find(b"\n") + 1 or len(seen))
    return line
