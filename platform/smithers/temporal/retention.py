"""How long Temporal keeps closed runs."""

from __future__ import annotations

import logging
from typing import Final

from google.protobuf.duration_pb2 import Duration
from temporalio.api.namespace.v1 import NamespaceConfig
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest, UpdateNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError

from smithers.temporal.server.launch import RETENTION_DAYS

log = logging.getLogger(__name__)
DAY_S: Final = 24 * 3600


async def keep_closed_runs(client: Client) -> None:
    """Sets the retention of a local server's namespace, if it is another one. Elsewhere that is not ours to say."""
    service, namespace = client.workflow_service, client.namespace
    wanted = Duration(seconds=RETENTION_DAYS * DAY_S)
    try:
        now = await service.describe_namespace(DescribeNamespaceRequest(namespace=namespace))
        if now.config.workflow_execution_retention_ttl != wanted:
            config = NamespaceConfig(workflow_execution_retention_ttl=wanted)
            await service.update_namespace(UpdateNamespaceRequest(namespace=namespace, config=config))
    except RPCError as error:
        log.warning("closed runs are kept in Temporal for as long as it does by itself: %s", error)
