"""A worker inside a process that also does something else: `smithers up`, the guarded host, a test.

It has a thread with an event loop of its own for everything that is Temporal's, threads for steps and bodies, one for
heartbeats and one for lines. Of queues it serves, per project, the driver's (drivers, and steps without a task), and
per code it holds, one for tasks and one for plans that no other worker can make.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import threading
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from smithers.errors import SmithersError, TemporalUnavailable
from smithers.project import Project
from smithers.store import open_store
from smithers.store.interface import Store
from smithers.temporal import identity
from smithers.temporal.bell import Bell
from smithers.temporal.order import code_queue, driver_queue, light_queue
from smithers.temporal.plans import Plans
from smithers.temporal.running import BodyTable
from smithers.temporal.spool import Spool
from smithers.temporal.takeover import Ledger, take_over
from smithers.temporal.workshop import Workshop
from smithers.worker.bodies import LocalBodies
from smithers.worker.code import LoadedCode
from smithers.worker.heartbeat import Heartbeats
from smithers.worker.lines import LineBuffer
from smithers.worker.settings import WorkerSettings

if TYPE_CHECKING:
    from temporalio.client import Client
    from temporalio.worker import Worker

log = logging.getLogger(__name__)
STICKY: Final = timedelta(seconds=1)
"""How long a driver's next event waits for the process that has it in memory."""
READY_S: Final = 120.0
"""A first start may have to get the Temporal binary."""
RING_S: Final = 15.0
LEEWAY_S: Final = 3.0
"""Between asking bodies to stop and leaving them behind."""


class EmbeddedWorker:
    """Serves one project. `start` blocks until it polls, `stop` until it is gone; neither may be called twice."""

    def __init__(
        self,
        project: Project,
        code: LoadedCode | Sequence[LoadedCode],
        settings: WorkerSettings | None = None,
        *,
        store: Store | None = None,
    ) -> None:
        self.project = project
        self.codes = {one.digest: one for one in ([code] if isinstance(code, LoadedCode) else code)}
        self.settings = settings or WorkerSettings.read()
        self.identity = str(identity.own())
        self.store = store or open_store(project, create=True)
        self._owns_store = store is None
        self.table = BodyTable()
        self._ledger = Ledger(project)
        self._lines = LineBuffer(self.store)
        self._pulse = Heartbeats(self.store, self.table, self._ledger)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._client: Client | None = None
        self._stop = asyncio.Event()
        self._draining = threading.Event()
        self._drain_s = self.settings.drain_s
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._main, name="temporal", daemon=True)

    # What others call, from any thread

    def start(self) -> None:
        """Raises what kept it from starting, such as `TemporalUnavailable`."""
        self._lines.start()
        self._pulse.start()
        self._thread.start()
        if not self._ready.wait(READY_S):
            raise TemporalUnavailable(f"The worker did not get ready within {READY_S:g} s.")
        if self._failure is not None:
            self._thread.join()
            self._close()
            raise self._failure

    def ring(self, run_id: str) -> None:
        """Wakes a run's driver, or starts one. Raises `TemporalUnavailable`, `RunNotFound`."""
        loop = self._loop
        if loop is None:
            raise TemporalUnavailable("The worker is not running.")
        try:
            asyncio.run_coroutine_threadsafe(self._ring(run_id), loop).result(RING_S)
        except SmithersError:
            raise
        except Exception as error:  # the SDK's RPC errors, a timeout, a loop that is closed
            raise TemporalUnavailable(f"The bell of run {run_id!r} was not heard: {error}") from error

    def stop(self, drain_s: float | None = None) -> None:
        """Takes nothing new. Bodies may go on for `drain_s`, then they are asked to stop, and handed over."""
        if drain_s is not None:
            self._drain_s = drain_s
        self._draining.set()
        if self._loop is not None and self._thread.is_alive():
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        self._close()

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def _close(self) -> None:
        self._pulse.stop()
        self._lines.stop()
        self._ledger.close()
        if self._owns_store:
            self.store.close()

    # The thread

    def _main(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:
            self._failure = error
            if self._ready.is_set():
                log.exception("the worker ended")
        finally:
            self._loop = self._client = None
            # The SDK's native objects must go before the interpreter does: it may crash at exit otherwise.
            gc.collect()
            self._ready.set()

    async def _serve(self) -> None:
        from smithers.temporal import local
        from smithers.temporal.client import connect

        self._loop = asyncio.get_running_loop()
        server = await asyncio.to_thread(local.ensure, self.project)
        try:
            self._client = await connect(self.project, server.address, identity=self.identity)
            async with AsyncExitStack() as stack:
                for worker in self._workers(self._client):
                    await stack.enter_async_context(self._running(worker))
                bell = Bell(self.project, self._ring)
                await bell.open()
                stack.push_async_callback(bell.close)
                runs = [run.run_id for run in self.store.due_runs()]
                await take_over(self.project, self._client, runs)
                self._ready.set()
                await self._stop.wait()
                self._loop.call_later(self._drain_s, self._hand_over)
        finally:
            server.close()

    @asynccontextmanager
    async def _running(self, worker: Worker) -> AsyncGenerator[None]:
        """All workers shut down at the same time."""
        task = asyncio.create_task(worker.run())
        task.add_done_callback(lambda _: self._stop.set())
        stopper = asyncio.create_task(self._shut_down(worker))
        try:
            yield
        finally:
            await stopper
            await task

    async def _shut_down(self, worker: Worker) -> None:
        await self._stop.wait()
        await worker.shutdown()

    def _hand_over(self) -> None:
        for running in self.table.every():
            running.stop("shutdown")

    async def _ring(self, run_id: str) -> None:
        from smithers.temporal import ringing

        if self._client is None:
            raise TemporalUnavailable("The worker is not connected.")
        run = await asyncio.to_thread(self.store.run, run_id)
        await ringing.ring(self._client, self.project.name, run)

    # What it serves

    def _workers(self, client: Client) -> list[Worker]:
        from temporalio.worker import UnsandboxedWorkflowRunner

        from smithers.temporal.driver import Driver, LongTask

        project, settings = self.project.name, self.settings
        shop = self._workshop()
        drivers: dict[str, Any] = {
            "workflows": [Driver, LongTask],
            "workflow_runner": UnsandboxedWorkflowRunner(),
            "max_cached_workflows": settings.cached_runs,
            "sticky_queue_schedule_to_start_timeout": STICKY,
        }
        workers = [self._worker(client, shop, driver_queue(project), settings.light_slots, "", **drivers)]
        for digest in self.codes:
            queue = code_queue(project, digest)
            workers.append(self._worker(client, shop, queue, settings.slots, digest))
            workers.append(self._worker(client, shop, light_queue(queue), settings.light_slots, ""))
        return workers

    def _worker(self, client: Client, shop: Workshop, queue: str, slots: int, digest: str, **more: Any) -> Worker:
        from temporalio.worker import Worker

        from smithers.temporal.activity import StepActivity

        steps = StepActivity(shop, self._pulse, self.identity, self._draining.is_set, digest)
        return Worker(
            client,
            task_queue=queue,
            activities=[steps.step],
            activity_executor=ThreadPoolExecutor(slots, thread_name_prefix="step"),
            max_concurrent_activities=slots,
            identity=self.identity,
            graceful_shutdown_timeout=timedelta(seconds=self._drain_s + LEEWAY_S),
            **more,
        )

    def _workshop(self) -> Workshop:
        settings, state = self.settings, self.project.state
        bodies = LocalBodies(self._lines, self.codes, state / "code", self.project.store_url)
        plans = {digest: Plans(self.store, code, render_s=settings.render_s) for digest, code in self.codes.items()}
        spool = Spool(state / "spool")
        ring: Callable[[str], None] = self.ring
        return Workshop(self.project.name, self.store, bodies, self.table, spool, ring, plans, settings.steps)
