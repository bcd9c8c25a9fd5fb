"""A worker inside a process that also does something else: `smithers up`, the guarded host, a test.

It has a thread with an event loop of its own for everything that is Temporal's, threads for steps and bodies, one for
heartbeats and one for lines. One of a project's workers is its sweeper, too.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from smithers.errors import InputError, SmithersError, TemporalUnavailable
from smithers.project import Project
from smithers.store import open_store
from smithers.store.interface import Store
from smithers.store.records import Run
from smithers.temporal import identity, local
from smithers.temporal.bell import Bell
from smithers.temporal.order import code_queue
from smithers.temporal.plans import Plans
from smithers.temporal.running import BodyTable
from smithers.temporal.spool import Spool
from smithers.temporal.takeover import Ledger, take_over
from smithers.temporal.unheard import Unheard
from smithers.temporal.watch import Watch
from smithers.temporal.workshop import Workshop
from smithers.worker.bodies import LocalBodies
from smithers.worker.code import LoadedCode
from smithers.worker.heartbeat import CancelLook, Heartbeats
from smithers.worker.held import Held
from smithers.worker.lines import LineBuffer
from smithers.worker.loop import new_loop
from smithers.worker.scheduling import Scheduler, keep_for_schedules
from smithers.worker.settings import WorkerSettings
from smithers.worker.sweeper import Sweeper

if TYPE_CHECKING:
    from smithers.temporal.client import Client
    from smithers.temporal.local import KeptServer
    from smithers.temporal.serving import Serving

log = logging.getLogger(__name__)
READY_S: Final = 120.0
"""A first start may have to get the Temporal binary."""
RING_S: Final = 15.0
TRY_AGAIN_S: Final = 1.0
"""After the store or the server was away when this worker began again."""
WATCH_S: Final = 0.5
"""How often the server's supervisor is looked at."""


class EmbeddedWorker:
    """Serves one project. `start` blocks until it polls, `stop` until it is gone; neither may be called twice."""

    def __init__(
        self,
        project: Project,
        code: LoadedCode | Sequence[LoadedCode] = (),
        settings: WorkerSettings | None = None,
        *,
        store: Store | None = None,
        on_open_runs: Callable[[Sequence[Run]], None] = lambda _runs: None,
        schedules: bool = False,
    ) -> None:
        """`on_open_runs` is told, again and again, of all open runs. `schedules` has it start what falls due, with the
        code as it is then."""
        self.project = project
        self.on_open_runs = on_open_runs
        self.on_end: Callable[[str], None] = lambda _run: None
        """Told, on the event loop, of runs whose end a step of this process has stored."""
        self.codes = {one.digest: one for one in ([code] if isinstance(code, LoadedCode) else code)}
        self.settings = settings or WorkerSettings.of(project)
        self.identity = str(identity.own())
        self.store = store or open_store(project, create=True)
        self.table = BodyTable()
        self.scheduler = Scheduler(project, self.store, self.hold) if schedules else None
        self._owns_store = store is None
        self._ledger = Ledger(project)
        self._held = Held(project)
        self._lines = LineBuffer(self.store)
        self._pulse = Heartbeats(self._ledger)
        self._cancels = CancelLook(self.store, self.table)
        self._plans: dict[str, Plans] = {}
        """By name of the code's queue."""
        for one in self.codes.values():
            self._prepare(one)
        self.shop = self._workshop()
        self._watch = Watch(self.shop)
        self._serving: Serving | None = None
        self._client: Client | None = None
        self._unheard = Unheard()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._draining = threading.Event()
        self._drain_s = self.settings.drain_s
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._main, name="temporal", daemon=True)

    # What others call, from any thread

    def start(self) -> None:
        """Raises what kept it from starting, such as `TemporalUnavailable`."""
        self.project.keep_name()
        self._lines.start()
        self._cancels.start()
        self._watch.start()
        self._thread.start()
        if not self._ready.wait(READY_S):
            raise TemporalUnavailable(f"The worker did not get ready within {READY_S:g} s.")
        if self._failure is not None:
            self._thread.join()
            self._close()
            raise self._failure
        self.store.on_turn = self._ring_soon

    def ring(self, run_id: str) -> None:
        """Wakes a run's driver, or starts one. Raises `TemporalUnavailable`, `RunNotFound`."""
        loop = self._loop
        if loop is None:
            raise TemporalUnavailable("The worker is not running.")
        run = self.store.run(run_id)
        try:
            asyncio.run_coroutine_threadsafe(self._ring_run(run), loop).result(RING_S)
        except SmithersError:
            raise
        except Exception as error:  # the SDK's RPC errors, a timeout, a loop that is closed
            raise TemporalUnavailable(f"The bell of run {run_id!r} was not heard: {error}") from error

    def _ring_soon(self, run_id: str) -> None:
        """Of a run whose turn has come. A bell that gets lost is the sweeper's."""
        loop = self._loop
        if loop is not None and loop.is_running():
            asyncio.run_coroutine_threadsafe(self._ring_or_not(run_id), loop)

    async def _ring_or_not(self, run_id: str) -> None:
        try:
            await self._ring(run_id)
        except Exception as error:  # noqa: BLE001  the SDK's RPC errors among others
            log.warning("the bell of run %s was not heard: %s", run_id, error)

    def hold(self, code: LoadedCode) -> None:
        """Serves one more code from now on."""
        if code.digest in self.codes:
            return
        self.codes[code.digest] = code
        self._prepare(code)
        if self._loop is not None and self._serving is not None:
            self._loop.call_soon_threadsafe(self._serving.serve_code, code.digest)
            self._held.say(self.codes.values())

    def stop(self, drain_s: float | None = None) -> None:
        """Takes nothing new. Bodies may go on for `drain_s`, then they are asked to stop, and handed over."""
        if drain_s is not None:
            self._drain_s = drain_s
        self._draining.set()
        if self._loop is not None and self._stop is not None:
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        self._close()

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def _close(self) -> None:
        if self.store.on_turn == self._ring_soon:
            self.store.on_turn = None
        self._watch.stop()
        self._cancels.stop()
        self._lines.stop()
        self._ledger.close()
        self._held.close()
        if self._owns_store:
            self.store.close()

    # The thread

    def _main(self) -> None:
        try:
            with asyncio.Runner(loop_factory=new_loop) as runner:
                runner.run(self._serve())
        except BaseException as error:
            self._failure = error
            if self._ready.is_set():
                log.exception("the worker ended")
        finally:
            self._loop = self._client = self._serving = None
            # The SDK's native objects must go before the interpreter does: it may crash at exit otherwise.
            gc.collect()
            self._ready.set()

    async def _serve(self) -> None:
        """Serves until stopped; begins again when the local server has moved, or was stopped.

        A supervisor that died is replaced meanwhile, with its server, and nobody here notices: the client connects
        again, and bodies go on. Once it was ready, what may pass is waited for.
        """
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        while not self._stop.is_set():
            try:
                await self._serve_once()
            except SmithersError as error:
                if not (self._ready.is_set() and error.retryable):
                    raise
                log.warning("this worker cannot serve now, trying again: %s", error)
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._stop.wait(), TRY_AGAIN_S)

    async def _serve_once(self) -> None:
        server = await asyncio.to_thread(local.keep, self.project)
        try:
            await self._serve_on(server)
        finally:
            await asyncio.to_thread(server.close)

    async def _serve_on(self, server: KeptServer) -> None:
        from smithers.temporal.client import connect
        from smithers.temporal.retention import keep_closed_runs
        from smithers.temporal.serving import Serving

        assert self._stop is not None
        address = server.address
        self._client = client = await connect(self.project, address, identity=self.identity)
        ended = asyncio.Event()
        unheard = self._unheard = Unheard()
        serving = Serving(
            client,
            self.shop,
            self._pulse,
            self.identity,
            self.settings,
            unheard.heard,
            self._draining.is_set,
            ended,
            self.on_end,
        )
        bell = Bell(self.project, self._ring)
        sweeper = Sweeper(self.project, self.store, client, self._ring, self.on_open_runs)
        pulse = asyncio.create_task(self._pulse.run())
        try:
            serving.serve_drivers()
            for digest in self.codes:
                serving.serve_code(digest)
            self._serving = serving
            self._held.say(self.codes.values())
            if self.scheduler is not None:
                await self._serve_schedules(server, serving, self.scheduler)
            await bell.open()
            await take_over(self.project, client, [run.run_id for run in self.store.due_runs()])
            sweeper.start()
            self._ready.set()
            if not self.project.temporal_address:
                await keep_closed_runs(client)
            await self._until_end(server, address, ended)
        finally:
            self._serving = None
            await sweeper.stop()
            await bell.close()
            hand_over = asyncio.get_running_loop().call_later(self._drain_s, self._hand_over)
            await serving.stop()
            pulse.cancel()
            hand_over.cancel()  # bodies that begin on the next server are not meant

    async def _serve_schedules(self, server: KeptServer, serving: Serving, scheduler: Scheduler) -> None:
        """Hands over what the server may have lost, or has never heard of."""
        from smithers.temporal import schedules

        assert self._client is not None
        serving.serve_schedules(scheduler)
        known = await asyncio.to_thread(self.store.schedules)
        for schedule in known:
            try:
                await schedules.hand_over(self._client, self.project.name, schedule)
            except InputError as error:
                log.warning("schedule %s: %s", schedule.name, error)
        await asyncio.to_thread(keep_for_schedules, server, known)

    async def _until_end(self, server: KeptServer, address: str, ended: asyncio.Event) -> None:
        """Returns when it is time to end, or to begin again."""
        assert self._stop is not None
        while not self._stop.is_set() and not ended.is_set():
            if server.is_lost or server.address != address:
                log.warning("the local Temporal server has gone from %s; looking for it", address)
                return
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), WATCH_S)

    def _hand_over(self) -> None:
        for running in self.table.every():
            running.stop("shutdown")

    async def _ring(self, run_id: str) -> None:
        await self._ring_run(await asyncio.to_thread(self.store.run, run_id))

    async def _ring_run(self, run: Run) -> None:
        from smithers.temporal import ringing

        if self._client is None:
            raise TemporalUnavailable("The worker is not connected.")
        async with self._unheard.place(run.run_id):
            await ringing.ring(self._client, self.project.name, run)

    def _prepare(self, code: LoadedCode) -> None:
        queue = code_queue(self.project.name, code.digest)
        self._plans[queue] = Plans(self.store, code, render_s=self.settings.render_s)

    def _workshop(self) -> Workshop:
        settings, state = self.settings, self.project.state
        bodies = LocalBodies(self._lines, self.codes, state / "code", self.project.store_url)
        spool = Spool(state / "spool")
        return Workshop(
            self.project.name, self.store, bodies, self.table, spool, self.ring, self._plans, settings.steps
        )
