"""A client as the SDK makes it, with a loop of its own on a thread, so that a plain thread can wait for Temporal."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Generator
from contextlib import contextmanager
from typing import Any, TypeVar

from temporalio.client import Client

from scripts.benches.place import Place

T = TypeVar("T")


@contextmanager
def connected(place: Place, name: str) -> Generator[tuple[asyncio.AbstractEventLoop, Client]]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name=name, daemon=True)
    thread.start()
    try:
        yield loop, finished(loop, Client.connect(place.server.address, namespace=place.project.namespace))
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def finished(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, T]) -> T:
    """Blocks until the work is done on the loop."""
    return asyncio.run_coroutine_threadsafe(work, loop).result()
