"""The client's way to a server."""

from __future__ import annotations

import asyncio
import os
import time
from datetime import timedelta

import pytest

from smithers.errors import InputError, TemporalUnavailable
from smithers.project import Project
from smithers.temporal import local
from smithers.temporal.client import connect

NOBODY = "127.0.0.1:17189"


def test_a_client_has_the_projects_namespace_and_our_name(project: Project) -> None:
    with local.ensure(project) as server:
        client = asyncio.run(connect(project, server.address))

    assert client.namespace == "default"
    assert client.identity.startswith("smithers@")
    assert client.identity.endswith(f"/{os.getpid()}")


def test_a_workflow_can_be_started_as_soon_as_ensure_returns(project: Project) -> None:
    async def work() -> None:
        with local.ensure(project) as server:
            client = await connect(project, server.address)
            await client.start_workflow("patience", id="early", task_queue="nobody")

    asyncio.run(work())


def test_connecting_waits_for_a_server_that_comes_back(project: Project) -> None:
    with local.ensure(project) as server:
        address = server.address
    local.stop(project)

    async def work() -> None:
        connecting = asyncio.create_task(connect(project, address))
        held = await asyncio.to_thread(local.ensure, project)
        await connecting
        held.close()

    asyncio.run(work())


def test_no_server_is_said_in_time(project: Project) -> None:
    began = time.monotonic()

    with pytest.raises(TemporalUnavailable, match=r"17189 does not answer.*temporal\.log"):
        asyncio.run(connect(project, NOBODY, limit=timedelta(seconds=0.5)))

    assert time.monotonic() - began < 5


def test_a_server_elsewhere_is_named_by_its_setting(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", NOBODY)

    with pytest.raises(TemporalUnavailable, match=r"TEMPORAL_ADDRESS.*TEMPORAL_TLS=true.*TEMPORAL_API_KEY"):
        asyncio.run(connect(project, NOBODY, limit=timedelta(seconds=0.5)))


def test_a_missing_certificate_is_the_callers_mistake(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", NOBODY)
    monkeypatch.setenv("TEMPORAL_TLS_CLIENT_CERT_PATH", "/nowhere/cert.pem")
    monkeypatch.setenv("TEMPORAL_TLS_CLIENT_KEY_PATH", "/nowhere/key.pem")

    with pytest.raises(InputError, match=r"/nowhere/cert\.pem"):
        asyncio.run(connect(project, NOBODY, limit=timedelta(seconds=0.5)))
