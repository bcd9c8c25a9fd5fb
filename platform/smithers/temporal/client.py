"""Connects to a Temporal server: the project's local one, or the one that `TEMPORAL_ADDRESS` names.

For a server of one's own the standard settings of every Temporal tool hold: `TEMPORAL_NAMESPACE`, `TEMPORAL_API_KEY`,
`TEMPORAL_TLS`, `TEMPORAL_TLS_SERVER_NAME`, `TEMPORAL_TLS_CLIENT_CERT_PATH` (or `_DATA`), `..._CLIENT_KEY_PATH`,
`..._SERVER_CA_CERT_PATH`, `TEMPORAL_GRPC_META_*`, and a profile file when `TEMPORAL_CONFIG_FILE` or `TEMPORAL_PROFILE`
names one. The local server gets none of them: an API key must not go to a port that anybody may listen on.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING

from smithers.errors import InputError, TemporalUnavailable
from smithers.project import Project

if TYPE_CHECKING:
    from temporalio.client import Client
    from temporalio.envconfig import ClientConnectConfig

CONNECT_LIMIT = timedelta(seconds=10)

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.02, 1.0

SHORT_NAMES = {
    "TEMPORAL_TLS_CERT": "TEMPORAL_TLS_CLIENT_CERT_PATH",
    "TEMPORAL_TLS_KEY": "TEMPORAL_TLS_CLIENT_KEY_PATH",
    "TEMPORAL_TLS_CA": "TEMPORAL_TLS_SERVER_CA_CERT_PATH",
}
"""Names of earlier Temporal CLIs, which many people still have in their shells."""

_HOPELESS = ("Unauthenticated", "PermissionDenied", "InvalidArgument", "certificate", "Invalid target URL")
"""Parts of errors that another try does not change."""


async def connect(project: Project, address: str, *, identity: str = "", limit: timedelta = CONNECT_LIMIT) -> Client:
    """A connected client for the project's namespace; `identity` is what histories call this process.

    Tries again, with growing pauses, until `limit`: a server that restarts is back in 0.1 s. Raises
    TemporalUnavailable, and InputError when a TLS file or a profile cannot be read. The first call of a process costs
    0.6 s for importing the SDK.
    """
    from temporalio.client import Client

    from smithers.temporal.payloads import CONVERTER

    config = _config(project, address)
    identity = identity or f"smithers@{socket.gethostname()}/{os.getpid()}"
    deadline = time.monotonic() + limit.total_seconds()
    pause_s = FIRST_PAUSE_S
    while True:
        left_s = deadline - time.monotonic()
        try:
            connecting = Client.connect(**config, identity=identity, data_converter=CONVERTER)
            return await asyncio.wait_for(connecting, max(0.05, left_s))
        except (RuntimeError, TimeoutError) as error:
            if deadline - time.monotonic() <= pause_s or any(word in str(error) for word in _HOPELESS):
                raise TemporalUnavailable(_explain(project, address, error)) from error
        await asyncio.sleep(pause_s)
        pause_s = min(pause_s * 2, LONGEST_PAUSE_S)


def _config(project: Project, address: str, source: Mapping[str, str] = os.environ) -> ClientConnectConfig:
    """Arguments for `Client.connect`."""
    if not project.temporal_address:
        return {"target_host": address, "namespace": project.namespace}
    from temporalio.envconfig import ClientConfigProfile

    names_file = bool(source.get("TEMPORAL_CONFIG_FILE") or source.get("TEMPORAL_PROFILE"))
    variables = {SHORT_NAMES.get(name, name): value for name, value in source.items()}
    variables |= {name: source[name] for name in SHORT_NAMES.values() if name in source}
    try:
        profile = ClientConfigProfile.load(disable_file=not names_file, override_env_vars=variables)
        config = profile.to_client_connect_config()
    except (RuntimeError, OSError, ValueError) as error:
        raise InputError(f"The settings for the Temporal server at {address} cannot be used: {error}.") from error
    config["target_host"] = address
    config.setdefault("namespace", project.namespace)
    return config


def _explain(project: Project, address: str, error: Exception) -> str:
    why = str(error) or "no answer in time"
    if project.temporal_address:
        return (
            f"No Temporal server answers at {address} (from TEMPORAL_ADDRESS): {why}. Look whether it runs there, and "
            "whether it wants TLS (TEMPORAL_TLS=true, or certificates) or an API key (TEMPORAL_API_KEY)."
        )
    return (
        f"The local Temporal server at {address} does not answer: {why}. "
        f"{project.state / 'server' / 'temporal.log'} says what it did."
    )
