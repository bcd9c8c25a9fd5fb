"""Ports, namespaces, retention, and data of other versions."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from smithers.errors import InputError, ServerError, TemporalUnavailable
from smithers.project import Project
from smithers.temporal import local
from smithers.temporal.client import connect
from smithers.worker.embedded import EmbeddedWorker
from smithers.worker.settings import WorkerSettings
from tests.integration.server.watching import processes_of, wait_until
from tests.integration.temporal.conftest import code

DAY_S = 24 * 3600


@contextmanager
def taken(port: int) -> Iterator[None]:
    with socket.create_server(("127.0.0.1", port)):
        yield


def describe_namespace(project: Project, address: str) -> Any:
    async def work() -> Any:
        from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest

        client = await connect(project, address)
        return await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=client.namespace))

    return asyncio.run(work())


def test_a_full_range_of_ports_is_said_clearly(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMITHERS_SERVER_PORTS", "17190-17192")

    with ExitStack() as stack:
        for port in range(17190, 17193):
            stack.enter_context(taken(port))
        with pytest.raises(TemporalUnavailable, match=r"17190-17192 .* SMITHERS_SERVER_PORTS="):
            local.ensure(project)

    wait_until(lambda: processes_of(project.root) == [])


def test_a_port_in_use_is_passed_over(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMITHERS_SERVER_PORTS", "17193-17194")

    with taken(17193), local.ensure(project) as server:
        assert server.address == "127.0.0.1:17194"


def test_a_port_is_kept_from_one_supervisor_to_the_next(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMITHERS_SERVER_PORTS", "17195-17199")
    with local.ensure(project) as server:
        address = server.address
    local.stop(project)
    monkeypatch.setenv("SMITHERS_SERVER_PORTS", "17190-17199")  # where the order would begin elsewhere

    with local.ensure(project) as server:
        assert server.address == address


@pytest.mark.parametrize(("name", "value"), [("SMITHERS_SERVER_PORTS", "80"), ("SMITHERS_SERVER_LINGER", "soon")])
def test_a_wrong_setting_is_the_callers_mistake(
    project: Project, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(InputError, match=name):
        local.ensure(project)


def kept_s(description: Any) -> int:
    return description.config.workflow_execution_retention_ttl.ToSeconds()


def test_closed_runs_are_kept_for_30_days_from_the_first_worker_on(project: Project) -> None:
    with local.ensure(project) as server:
        before = kept_s(describe_namespace(project, server.address))
        worker = EmbeddedWorker(project, code("asking"), WorkerSettings())
        worker.start()
        wait_until(lambda: kept_s(describe_namespace(project, server.address)) == 30 * DAY_S)
        worker.stop()

    assert before == DAY_S


def test_a_namespace_is_made_when_it_is_asked_for(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    with local.ensure(project):
        monkeypatch.setenv("TEMPORAL_NAMESPACE", "second")
        with local.ensure(project) as server:
            description = describe_namespace(project, server.address)

    assert description.namespace_info.name == "second"
    assert kept_s(description) == 30 * DAY_S
    assert json.loads((project.state / "server" / "data.json").read_text())["namespaces"] == {"second": "30d"}


def test_an_impossible_namespace_is_refused(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPORAL_NAMESPACE", "--help")

    with pytest.raises(ServerError, match="TEMPORAL_NAMESPACE"):
        local.ensure(project)


def rewrite_stamp(project: Project, **changes: str) -> None:
    local.ensure(project).close()
    local.stop(project)
    stamp = project.state / "server" / "data.json"
    stamp.write_text(json.dumps({**json.loads(stamp.read_text()), **changes}))


def test_data_of_a_newer_server_is_refused_with_what_to_do(project: Project) -> None:
    rewrite_stamp(project, server="99.1.0", binary="another")

    with pytest.raises(ServerError, match=r"99\.1\.0.*Use the newer binary.*or move"):
        local.ensure(project)

    assert (project.state / "server" / "temporal.db").exists()


def test_data_of_an_older_server_is_set_aside(project: Project) -> None:
    rewrite_stamp(project, server="1.2.3", binary="another")

    with local.ensure(project):
        assert (project.state / "server" / "temporal-1.2.3.db").exists()
        assert (project.state / "server" / "temporal.db").exists()


def test_a_patch_release_goes_on_with_the_data(project: Project) -> None:
    with local.ensure(project) as server:
        series = server.version.rpartition(".")[0]
    rewrite_stamp(project, server=f"{series}.999", binary="another")

    with local.ensure(project):
        assert not list((project.state / "server").glob("temporal-*.db"))
