"""A run that a program has started: wait for it, answer it, cancel it."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from pydantic import BaseModel

from smithers.api.following import Following
from smithers.api.hosting import Host, host_of
from smithers.api.result import Result
from smithers.engine.chronicle import Event
from smithers.engine.inbox import Sent
from smithers.errors import StoreUnavailable, TemporalUnavailable
from smithers.project import Project
from smithers.store import open_store
from smithers.store.interface import Store
from smithers.store.records import Run
from smithers.store.successors import last_of
from smithers.views.model import RunModel
from smithers.worker.person import whoami

if TYPE_CHECKING:
    from smithers.api.pinning import Beside
    from smithers.worker.prepare import Prepared

OnEvent = Callable[[Event], Awaitable[None] | None]
EVERY_OUTPUT: Final = 10**9
STORE_AGAIN_S: Final = 1.0


class RunHandle:
    """A run, and this process's part in carrying it on. Made by `start`; belongs to the event loop it was made on.

    The run does not depend on it: closing the handle, leaving its `async with`, or cancelling what awaits it stops
    this process's worker (when no other handle needs it) and nothing else. `cancel` cancels the run.

    Of a run that continues as new everything but `run_id` is about the one that goes on for it, the last of its chain.
    """

    def __init__(self, project: Project, prepared: Prepared, beside: Beside | None = None) -> None:
        self.run_id: Final = prepared.run_id
        self.workflow: Final = prepared.workflow
        self.project: Final = project
        self._store: Store = open_store(project, create=False)
        model = RunModel(prepared.run_id, prepared.workflow, prepared.created_ms)
        self._following = Following(self._store, model, prepared.after)
        self._host: Host | Beside | None = None
        self._entered: asyncio.Future[None] | None = None
        self._closed: asyncio.Future[None] | None = None
        if prepared.code is not None:
            host = self._host = host_of(project)
            self._entered = asyncio.ensure_future(asyncio.to_thread(host.enter, prepared.code, self.run_id))
        elif beside is not None:
            self._host = beside
            self._entered = asyncio.ensure_future(asyncio.to_thread(beside.enter))

    async def result(self, *, stay: bool = False, on_event: OnEvent | None = None) -> Result:
        """Returns when the run has ended, or when only a person (or new code) can go on with it; timers are waited for.
        Of a run that continues as new it follows those that go on for it to the last one, whose result it is.

        `stay` waits for people, too. May be called again, for example after `approve`. `on_event` is called, or
        awaited, with each `Event` since the last call, in order, after it was stored; what it raises comes out here.
        Raises `TemporalUnavailable` or `TemporalMissing` where no worker can be started.
        """
        following = self._following
        while True:
            for event in await self._look():
                if on_event is not None:
                    told = on_event(event)
                    if inspect.isawaitable(told):
                        await told
            if following.is_over or (not stay and await asyncio.to_thread(self._waits_for_somebody)):
                return await asyncio.to_thread(self._result)
            self._check_worker()
            await asyncio.sleep(following.pace_s)

    async def status(self) -> str:
        """As it is now: running, waiting-approval, ..., finished, failed, cancelled. Where only child runs go on, and
        they wait, it is what they wait for."""
        return (await asyncio.to_thread(self._seen)).status

    async def approve(self, node: str | None = None, *, by: str = "", note: str = "", iteration: str = "") -> None:
        """Approves what waits; `node` says which, where several do. Raises `WrongState`, `NodeNotFound`, `InputError`.

        `by` is the user of this process by default, `iteration` the latest.
        """
        await asyncio.to_thread(self._decide, node, iteration or None, (True, by, note))

    async def deny(self, node: str | None = None, *, by: str = "", note: str = "", iteration: str = "") -> None:
        """Denies what waits. As `approve`."""
        await asyncio.to_thread(self._decide, node, iteration or None, (False, by, note))

    async def delegate(
        self, node: str | None = None, *, to: str, by: str = "", note: str = "", iteration: str = ""
    ) -> None:
        """Hands what waits to another user, who may decide it from then on; `by` does not any more. As `approve`.

        Raises `AnswerRefused` where `by` may not decide it either, or it would change nothing.
        """
        await asyncio.to_thread(self._act, node, iteration or None, (by, note), to)

    async def withdraw(self, node: str | None = None, *, by: str = "", note: str = "", iteration: str = "") -> None:
        """Takes one of several approvals back while more people must approve. As `approve`.

        Raises `AnswerRefused` where there is none of this person's.
        """
        await asyncio.to_thread(self._act, node, iteration or None, (by, note))

    async def signal(self, name: str, payload: Any = None, *, correlation: str | None = None, by: str = "") -> None:
        """Sends an event: `name` as its waits are called (of a `Signal` its id), `payload` JSON or a pydantic model.

        It is stored when this returns, and taken once; one that comes early is kept. Each call sends another one.
        Raises `WrongState` if the run has ended, `InvalidInput` where the payload fits nobody who waits for it, and
        `InputError` for a name or correlation id that no wait can have.
        """
        from smithers.views.signals import check_names

        check_names(name, correlation)
        given = payload.model_dump(mode="json", by_alias=True) if isinstance(payload, BaseModel) else payload
        sent = Sent(name, given, correlation, by or whoami(), time.time_ns())
        await asyncio.to_thread(self._send, sent)

    async def cancel(self, reason: str = "", *, by: str = "") -> None:
        """Asks for the run to be cancelled; `result` returns when it is. Raises `WrongState` if the run has ended."""
        await asyncio.to_thread(self._cancel, reason, by)

    async def close(self) -> None:
        """Lets this process's worker go; the last handle to do so waits until tasks have ended, ten seconds at most.

        May be called again. A caller that is cancelled meanwhile does not stop it.
        """
        if self._closed is None:
            self._closed = asyncio.ensure_future(self._close())
        await asyncio.shield(self._closed)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _look(self) -> list[Event]:
        try:
            return await asyncio.to_thread(self._following.look)
        except StoreUnavailable:  # locked or away: nothing is lost, and the next look sees it all
            await asyncio.sleep(STORE_AGAIN_S)
            return []

    def _waits_for_somebody(self) -> bool:
        return self._following.waits_for_somebody

    def _check_worker(self) -> None:
        if self._entered is None or self._host is None or not self._entered.done():
            return
        self._entered.result()  # raises what kept it from starting
        if not self._host.is_alive:
            run_id = self._following.model.run_id
            raise TemporalUnavailable(
                f"The worker {self._host.place} has ended; run {run_id!r} stays. `smithers up --resume {run_id}` goes "
                "on with it."
            )

    def _seen(self) -> Run:
        from smithers.views.children import as_seen

        return as_seen(self._store, self._run())

    def _run(self) -> Run:
        """The last of its chain."""
        return last_of(self._store, self._store.run(self._following.model.run_id))

    def _result(self) -> Result:
        from smithers.views.outputs import outputs_of

        run = self._seen()
        found = outputs_of(self._store, run.run_id, most=EVERY_OUTPUT)
        return Result(run.run_id, run.workflow, run.status, found.by_node, found.last, run.error)

    def _decide(self, node: str | None, iteration: str | None, answer: tuple[bool, str, str]) -> None:
        from smithers.engine.answer import Answer
        from smithers.views.approvals import choose, decide

        run, (approved, by, note) = self._run(), answer
        row = choose(self._store, run, node, iteration)
        decide(self._store, run, row, Answer(approved, by or whoami(), note or None))
        self._wake()

    def _act(self, node: str | None, iteration: str | None, words: tuple[str, str], to: str | None = None) -> None:
        from smithers.engine.answer import Answer
        from smithers.views.approvals import choose, delegate, withdraw

        run, (by, note) = self._run(), words
        row, who = choose(self._store, run, node, iteration), Answer(True, by or whoami(), note or None)
        if to is None:
            withdraw(self._store, run, row, who)
        else:
            delegate(self._store, run, row, who, to)

    def _send(self, sent: Sent) -> None:
        from smithers.views.signals import deliver

        deliver(self._store, self._run(), sent)
        self._wake()

    def _cancel(self, reason: str, by: str) -> None:
        from smithers.views.cancelling import request_cancel

        request_cancel(self._store, self._run(), by or whoami(), reason or None)
        self._wake()

    def _wake(self) -> None:
        from smithers.worker.ringing import wake

        wake(self.project, self._run().run_id)

    async def _close(self) -> None:
        if self._entered is not None and self._host is not None:
            with suppress(Exception):
                await self._entered
            if self._entered.done() and self._entered.exception() is None:
                await asyncio.to_thread(self._host.leave)
        await asyncio.to_thread(self._store.close)
