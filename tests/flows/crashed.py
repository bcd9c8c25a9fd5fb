"""One small tree for each component, chosen by the input. Each body leaves a line outside before it does anything.

What comes of a tree does not depend on when things happen: whoever loses a race or comes too late waits for an hour.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta

from pydantic import BaseModel

from smithers import (
    Approval,
    Branch,
    Caught,
    Child,
    Context,
    DecisionTable,
    Each,
    ForEach,
    HumanTask,
    Loop,
    MergeQueue,
    Parallel,
    Queue,
    Race,
    RetryPolicy,
    Rule,
    Saga,
    SagaStep,
    Sequence,
    Signal,
    Subflow,
    Task,
    TaskContext,
    Timer,
    TryCatchFinally,
    WaitForEvent,
    call,
    workflow,
)
from tests.flows.below import Counted, below, onward
from tests.flows.outside import leave_line

LONG_S = 30
"""So long a body waits to be told to stop: longer than any scenario takes."""


class Given(BaseModel):
    scenario: str
    shown: str
    """The file that each body adds a line to."""
    number: int = 1


class Out(BaseModel):
    number: int


class Paid(BaseModel):
    amount: int


def work(shown: str, number: int, takes_s: float, context: TaskContext) -> Out:
    leave_line(shown, context)
    time.sleep(takes_s)
    return Out(number=number)


def fails(shown: str, below: int, context: TaskContext) -> Out:
    leave_line(shown, context)
    if context.attempt < below:
        raise RuntimeError(f"attempt {context.attempt}")
    return Out(number=context.attempt)


def held(shown: str, context: TaskContext) -> Out:
    """Goes on until it is told to stop, the first time."""
    leave_line(shown, context)
    if context.delivery == 1:
        context.flag.wait(timedelta(seconds=LONG_S))
        context.raise_if_cancelled()
    return Out(number=context.attempt)


class Trees:
    edition = 1
    """Of the code. `followed.py` is another one."""

    def __init__(self, ctx: Context[Given]) -> None:
        self.ctx = ctx
        self.shown = ctx.input.shown

    def task(self, id: str, number: int = 1, takes_s: float = 0.0, **more: object) -> Task[Out]:
        return Task(id, output=Out, **more)[call(work, self.shown, number, takes_s)]  # type: ignore[arg-type]

    def failing(self, id: str, below: int = 99, retries: int = 0, **more: object) -> Task[Out]:
        soon = RetryPolicy("fixed", "30ms")
        return Task(id, output=Out, retries=retries, retry=soon, **more)[call(fails, self.shown, below)]  # type: ignore[arg-type]

    def held(self, id: str, **more: object) -> Task[Out]:
        return Task(id, output=Out, **more)[call(held, self.shown)]  # type: ignore[arg-type]

    def number(self, id: str) -> int:
        return self.ctx.output(Out, id).number

    def sequence(self) -> Child:
        return Sequence[self.task("a"), self.task("b"), self.task("c")]

    def parallel(self) -> Child:
        return Sequence[Parallel(max_concurrency=2)[[self.task(f"p{i}", i) for i in range(4)]], self.task("last")]

    def loop(self) -> Child:
        def rest() -> Child:
            return self.task("after", self.number("in"))

        return Sequence[Loop("again", until=False, max_iterations=3)[self.task("in")], rest]

    def branch(self) -> Child:
        def path() -> Child:
            return Branch(self.number("asked") > 1, then=self.task("yes"), otherwise=self.task("no"))

        return Sequence[self.task("asked", 2), path]

    def table(self) -> Child:
        def rows() -> Child:
            found = self.number("asked")
            rules = [Rule(when=found > 5, then=self.task("many")), Rule(when=found > 1, then=self.task("some"))]
            return DecisionTable(rules, default=self.task("none"))

        return Sequence[self.task("asked", 2), rows]

    def approval(self) -> Child:
        return Sequence[Approval("ok", title="Go on?", quorum=2), self.task("gated", needs_approval=True)]

    def reminded(self) -> Child:
        """Nobody answers until people were reminded twice and others may decide; then they change their minds."""
        late = {"escalate_after": "120ms", "escalate_to": ["eve"]}
        asked = Approval(
            "ok", allowed_users=["ann", "bob"], quorum=2, remind_after="60ms", reminders=2, timeout="1h", **late
        )
        return Sequence[asked, self.task("after")]

    def human(self) -> Child:
        return Sequence[HumanTask("form", output=Paid, prompt="How much?"), self.task("after")]

    def timer(self) -> Child:
        return Sequence[self.task("before"), Timer("pause", duration="150ms"), self.task("after")]

    def event(self) -> Child:
        def after(paid: Paid) -> Child:
            return self.task("after", paid.amount)

        return Sequence[WaitForEvent("wait", event="asked", output=Paid), Signal("paid", output=Paid)[after]]

    def caught(self) -> Child:
        def caught(failure: Caught) -> Child:
            return self.task("caught")

        guarded = Sequence[self.task("first"), self.failing("wrong")]
        return TryCatchFinally(id="try", catch=caught, finally_=self.task("sweep"))[guarded]

    def saga(self) -> Child:
        steps = [
            SagaStep("one", compensation=self.task("undo-one"))[self.task("do-one")],
            SagaStep("two", compensation=self.task("undo-two"))[self.task("do-two")],
            SagaStep("three")[self.failing("do-three")],
        ]
        return Sequence[Saga[steps], self.task("after")]

    def race(self) -> Child:
        slow = Sequence[Timer("late", duration="1h"), self.task("never")]
        return Sequence[Race[self.task("quick", takes_s=0.05), slow], self.task("after")]

    def each(self) -> Child:
        def lane(each: Each[str]) -> Child:
            return Sequence[self.task(each.id("one")), self.task(each.id("two"))]

        return Sequence[ForEach("files", items=["x", "y", "z"], max_concurrency=2)[lane], self.task("after")]

    def queue(self) -> Child:
        return MergeQueue[
            Sequence[self.task("a1"), self.task("a2")], Sequence[self.task("b1"), self.task("b2")], self.task("c")
        ]

    def shared(self) -> Child:
        """Each takes its turn in a queue; one fails once, and takes another turn."""
        lanes = MergeQueue(shared="lanes")[Sequence[self.task("a1"), self.task("a2")], self.task("b")]
        return Sequence[lanes, self.failing("shaky", below=2, retries=2, queue=Queue("lanes", 1)), self.task("after")]

    def late(self) -> Child:
        waits = Sequence(id="waits", timeout="300ms", on_timeout="skip")[Timer("long", duration="1h")]
        return Sequence[waits, self.task("after")]

    def retry(self) -> Child:
        return Sequence[self.failing("shaky", below=3, retries=3), self.task("after")]

    def isolated(self) -> Child:
        return Sequence[self.task("alone", takes_s=1.05, isolated=True), self.task("here")]

    def child(self) -> Child:
        """In a workflow of its own, though not in a process of its own; long enough to be kept on disk."""
        return Sequence[self.task("long", takes_s=1.05, timeout="2h"), self.task("after")]

    def continued(self) -> Child:
        """Without bursts it is more than a driver's history may hold; see where the server is started."""
        return Sequence[[self.task(f"s{i}", takes_s=0.02) for i in range(40)]]

    def handed_over(self) -> Child:
        """A child run that continues as new, and comes back with the end of its chain."""
        return Sequence[Subflow("sub", workflow=onward, output=Counted), self.task("after")]

    def subflow(self) -> Child:
        """One that ends by itself, and one that is stopped."""
        waits = Subflow("slow", workflow=below, input={"waits": True}, output=Counted)
        return Sequence[
            Subflow("sub", workflow=below, output=Counted),
            Race[self.task("quick", takes_s=0.05), waits],
            self.task("after"),
        ]

    def failed(self) -> Child:
        return Sequence[self.task("before"), self.failing("wrong"), self.task("never")]

    def resumed(self) -> Child:
        """Fails once; whoever resumes it gives it more attempts."""
        return Sequence[self.task("before"), self.failing("shaky", below=2), self.task("after")]

    def cancelled(self) -> Child:
        return Sequence[self.task("before"), WaitForEvent("wait", event="never", output=Paid), self.task("never")]

    def paused(self) -> Child:
        return Sequence[self.task("before"), Approval("ok", title="Go on?"), self.task("after")]

    def amended(self) -> Child:
        return Sequence[self.paused(), self.task("amended", self.ctx.input.number)]

    def redriven(self) -> Child:
        return self.paused()

    def followed(self) -> Child:
        return Sequence[self.paused(), self.task(f"edition-{self.edition}")]

    def unrendered(self) -> Child:
        """Its first edition does not render when it gets that far."""

        def rest() -> Child:
            if self.edition == 1:
                raise RuntimeError("this edition goes no further")
            return self.task("after", self.number("before"))

        return Sequence[self.task("before"), rest]

    def retried(self) -> Child:
        """Fails once; whoever has the node run again gives it more attempts."""
        return self.resumed()

    def refused(self) -> Child:
        """The first answer does not fit the form."""
        return self.human()

    def released(self) -> Child:
        """Its first worker shuts down."""
        return Sequence[self.held("held"), self.task("after")]

    def settled(self) -> Child:
        """The workflow that a long task has of its own is ended from outside."""
        return Sequence[self.held("held", timeout="2h"), self.task("after")]


SCENARIOS: dict[str, Callable[[Trees], Child]] = {
    name: tree
    for name, tree in vars(Trees).items()
    if callable(tree) and not name.startswith("_") and name not in ("task", "failing", "held", "number")
}


@workflow(input=Given)
def crashed(ctx: Context[Given]) -> Child:
    return SCENARIOS[ctx.input.scenario](Trees(ctx))
