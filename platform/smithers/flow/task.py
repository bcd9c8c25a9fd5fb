"""A task is the one kind of node that does work."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Generic, Literal, TypeVar, cast, get_args

from pydantic import BaseModel

from smithers.flow.approval import check_timeout, check_word
from smithers.flow.asked import Asked
from smithers.flow.budget import Estimate
from smithers.flow.cache import CachePolicy
from smithers.flow.call import Call
from smithers.flow.element import Child, Element, captured, check_id, check_json, check_upstream, with_fields
from smithers.flow.nothing import nothing
from smithers.flow.policy import UNLIMITED, Duration, RetryPolicy, check_comes, duration
from smithers.flow.queue import Queue, as_queue
from smithers.flow.where import invalid

M = TypeVar("M", bound=BaseModel)
RETRIES: Final = 3
OnGateTimeout = Literal["fail", "skip", "approve"]
Body = Callable[..., M | Awaitable[M]] | Call[M] | M


@dataclass(frozen=True, slots=True, kw_only=True)
class Task(Asked, Generic[M]):
    """Produces one output (components-task): `Task("id", output=Model)[body]`.

    The body is a function that runs at execution time (sync or async), `call(fn, args)`, or a value of the model. One
    that cannot be called with these arguments and the names in `deps` is refused when the tree renders.
    """

    id: str = field(kw_only=False)
    output: type[M]
    deps: Mapping[str, type[BaseModel]] = field(default_factory=nothing)
    """Outputs handed to the function by parameter name; the task waits for them. The key is the producer's id."""
    needs: Mapping[str, str] = field(default_factory=nothing)
    """Where a key of `deps` is not the producer's id: `{key: id}`. Keys without a `deps` entry only order."""
    depends_on: tuple[str, ...] | list[str] = ()
    retries: int = RETRIES
    """Attempts after the first; `UNLIMITED` for no end."""
    no_retry: bool = False
    """The same as `retries=0`."""
    retry: RetryPolicy = RetryPolicy()
    timeout: Duration | None = None
    """For each attempt."""
    continue_on_fail: bool = False
    skip_if: bool = False
    needs_approval: bool = False
    """Wait until a person approves, then begin; a denial fails the task. For a decision to branch on, an `Approval`."""
    approval_timeout: Duration | None = None
    """With `needs_approval`: for each time it is asked; a durable timer. `timeout` counts from when it begins."""
    on_approval_timeout: OnGateTimeout = "fail"
    """What becomes of it when nobody has answered in time; `approve`: it begins, as if it had been approved."""
    async_: bool = False
    """With `needs_approval`: what comes after it may go on until it is done; who depends on it or reads its output does
    not."""
    isolated: bool = False
    """Run in a process of its own, which can be stopped."""
    cache: CachePolicy | None = None
    """Take the output of an earlier run where the key is the same; None is never."""
    queue: Queue | str | None = None
    """Wait for a turn in a queue that all runs share, before each attempt: its name, or `Queue(name, limit=2)`."""
    estimate: Estimate = Estimate()
    """What an attempt is going to use, for the budgets of `Aspects` around the task."""
    label: str = ""
    meta: Mapping[str, Any] = field(default_factory=nothing)
    body: Call[M] | M | None = None
    captured: tuple[tuple[str, int], ...] = field(default=(), compare=False, repr=False)

    def __post_init__(self) -> None:
        check_id(self.id, "Task")
        code = "TASK_MISSING_OUTPUT" if cast("object", self.output) is None else "INVALID_ELEMENT"
        check_model(self.output, f"Task({self.id!r}): output", code, nodeId=self.id)
        what = f"Task({self.id!r})"
        check_retries(self, what)
        if self.timeout is not None and not duration(self.timeout, f"{what}: timeout"):
            raise invalid(f"{what}: timeout={self.timeout!r} leaves no time at all: give more, or None for no limit.")
        if self.async_ and not self.needs_approval:
            raise invalid(f"{what}: async_ is about waiting for a person: it needs needs_approval=True.")
        check_asking(self, what)
        check_upstream(self.depends_on, self.needs, what)
        if self.deps:
            check_deps(self.deps, what)
        if self.meta:
            check_json(self.meta, f"{what}: meta")
        if not isinstance(self.estimate, Estimate):  # pyright: ignore[reportUnnecessaryIsInstance]  an author may be wrong
            raise invalid(f"Task({self.id!r}): estimate={self.estimate!r:.60}: write estimate=Estimate(tokens=...).")
        if self.queue is not None:
            object.__setattr__(self, "queue", as_queue(self.queue, what))
        if self.cache is not None:
            check_cache(self, self.cache)

    def __getitem__(self, children: Body[M]) -> Task[M]:
        body = cast("Child", children)
        if self.body is not None:
            raise invalid(f"Task({self.id!r}) has a body already.")
        if isinstance(body, BaseModel):
            check_static(self, body)
            return with_fields(self, body=cast("M", body))
        if isinstance(body, str):
            raise invalid(f"Task({self.id!r}): a prompt needs an agent; without one the body is a function.")
        if isinstance(body, Element) or not (isinstance(body, Call) or callable(body)):
            raise invalid(
                f"Task({self.id!r}) got {body!r:.60}: its body is a function, call(fn, ...), or a "
                f"value of {self.output.__name__}."
            )
        bound = cast("Call[M]", body if isinstance(body, Call) else Call(body, (), {}))
        written = with_fields(self, body=bound, captured=captured(bound.function))
        if written.cache is not None:
            check_cache(written, written.cache)
        return written

    @property
    def bound(self) -> Call[Any] | None:
        """The function with its arguments; None for a value, and while there is no body."""
        body: object = self.body
        return cast("Call[Any]", body) if isinstance(body, Call) else None

    def upstream(self) -> tuple[str, ...]:
        """Ids this task waits for, in the order they were written."""
        named = (self.needs.get(key, key) for key in self.deps)
        return tuple(dict.fromkeys((*named, *self.needs.values(), *self.depends_on)))


def is_model(thing: object) -> bool:
    """A model that says what is in it: `BaseModel` itself would drop whatever it is given."""
    return isinstance(thing, type) and issubclass(thing, BaseModel) and thing is not BaseModel


def check_model(thing: object, what: str, code: str = "INVALID_ELEMENT", **about: str) -> None:
    if not is_model(thing):
        raise invalid(
            f"{what}={thing!r:.60} is not a pydantic model class: write `class Found(BaseModel)` and give that.",
            None,
            code=code,
            **about,
        )


def check_retries(task: Task[Any], what: str) -> None:
    retries: Any = task.retries
    if isinstance(retries, bool) or not isinstance(retries, int) or retries < UNLIMITED:
        raise invalid(f"{what}: retries={retries!r}: give 0 or more, or UNLIMITED.")
    if task.no_retry and retries not in (0, RETRIES):
        raise invalid(f"{what}: no_retry contradicts retries={retries}: give one of them.")
    if task.no_retry:
        object.__setattr__(task, "retries", 0)
    if not isinstance(task.retry, RetryPolicy):  # pyright: ignore[reportUnnecessaryIsInstance]  an author may be wrong
        raise invalid(f"{what}: retry={task.retry!r:.60}: give a RetryPolicy(...).")


def check_asking(task: Task[Any], what: str) -> None:
    """The times and people of the question that comes before a task."""
    if task.approval_timeout is None and task.on_approval_timeout == "fail" and not task.is_followed_up:
        return
    check_word(task.on_approval_timeout, get_args(OnGateTimeout), f"{what}: on_approval_timeout")
    if not task.needs_approval:
        raise invalid(
            f"{what}: approval_timeout, reminders and escalation are about waiting for a person: needs_approval=True "
            "is missing."
        )
    if task.approval_timeout is not None:
        check_timeout(task.approval_timeout, what, "approval_timeout")
    check_comes(task.on_approval_timeout, task.approval_timeout, what, "approval_timeout")
    task.check_asking(what, task.approval_timeout, "approval_timeout")


def check_deps(deps: Mapping[str, object], what: str) -> None:
    for name, model in deps.items():
        check_model(model, f"{what}: deps[{name!r}]")


def check_static(task: Task[Any], value: BaseModel) -> None:
    if not isinstance(value, task.output):
        raise invalid(
            f"Task({task.id!r}) is to produce {task.output.__name__}, but its value is a {type(value).__name__}."
        )


def check_cache(task: Task[Any], policy: CachePolicy) -> None:
    if not isinstance(policy, CachePolicy):  # pyright: ignore[reportUnnecessaryIsInstance]  an author may be wrong
        raise invalid(f"Task({task.id!r}): cache={policy!r:.60}: write cache=CachePolicy(by=..., version=...).")
    policy.check(f"Task({task.id!r})", task.deps)
    if policy.by is None and task.captured:
        names = ", ".join(name for name, _ in task.captured)
        raise invalid(
            f"Task({task.id!r}): its function uses {names} from around it, which a cache key cannot see: say what the "
            f"output depends on, cache=CachePolicy(by=lambda: ...), or hand it over with call(function, {names})."
        )
