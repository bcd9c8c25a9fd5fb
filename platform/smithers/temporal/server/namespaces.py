"""The namespaces of the local server."""

from __future__ import annotations

import re

from smithers.temporal.server import launch
from smithers.temporal.server.log import tail
from smithers.temporal.server.process import TemporalProcess


class Namespaces:
    """Makes those that commands ask for; once for each data file, as the stamp remembers it.

    How long the first one keeps closed runs is set by whoever works in it, through a client (`temporal/retention.py`):
    a command of Temporal's takes 50 MB for that, and processor time that the server's first user wants for himself.
    """

    def __init__(self, server: TemporalProcess) -> None:
        self.server = server
        self.made: dict[str, str] = {}
        """With the retention that each was made with."""

    def begin(self, stamped: dict[str, str]) -> None:
        self.made = dict(stamped)

    def need(self, name: str) -> str:
        """Makes a namespace that is not there yet (100 ms). Returns what is wrong, or nothing."""
        if name == "default" or name in self.made:
            return ""
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}", name):
            return f"TEMPORAL_NAMESPACE is {name!r}; a namespace's name has letters, digits, dots, dashes, underscores."
        server = self.server
        command = launch.create_namespace(server.binary, server.port, name)
        if launch.spawn(command, server.places.folder, server.places.log).wait() != 0:
            log = server.places.log
            return f"The namespace {name!r} could not be made.\nThe end of {log}:\n{tail(log)}"
        self.made[name] = f"{launch.RETENTION_DAYS}d"
        return ""
