"""A task that a person does: the answer is a value of the output model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final, Generic, Literal, TypeVar

from pydantic import BaseModel
from pydantic.errors import PydanticInvalidForJsonSchema, PydanticUserError

from smithers.flow.approval import check_timeout, check_word
from smithers.flow.asked import Asked, check_newcomers, check_people
from smithers.flow.element import Child, check_id, check_json, check_upstream, is_count
from smithers.flow.nothing import nothing
from smithers.flow.policy import Duration, check_comes
from smithers.flow.stored import secrets_of
from smithers.flow.task import check_model
from smithers.flow.where import invalid

M = TypeVar("M", bound=BaseModel)
ATTEMPTS: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class HumanTask(Asked, Generic[M]):
    """Waits for a person's answer, which becomes its output (components-human-task).

    An answer that does not fit the output model is refused when it is given, naming the fields, and the person is asked
    again, until `max_attempts` answers were refused: then the node fails. A request that is cancelled fails it too.
    """

    id: str = field(kw_only=False)
    output: type[M]
    prompt: str
    """What the person is to do."""
    max_attempts: int = ATTEMPTS
    allowed_users: Sequence[str] | None = None
    """Who may answer; None is everybody."""
    allowed_scopes: Sequence[str] | None = None
    """One of these is needed to answer; None is no need. Where users are named too, both must fit."""
    timeout: Duration | None = None
    """For each time it is asked; a durable timer."""
    on_timeout: Literal["fail", "skip", "default"] = "fail"
    """`default` is as if somebody had answered what `default` says."""
    default: M | None = None
    """With `on_timeout="default"`: the answer that it has when nobody gives one in time."""
    depends_on: tuple[str, ...] | list[str] = ()
    needs: Mapping[str, str] = field(default_factory=nothing)
    """More ids to wait for, by any name."""
    async_: bool = False
    """What comes after it may go on while it is asked; who depends on it or reads its output does not."""
    continue_on_fail: bool = False
    skip_if: bool = False
    label: str = ""
    """Shown as `human:<id>` unless given."""
    meta: Mapping[str, Any] = field(default_factory=nothing)
    """Shown with the request; JSON."""

    def __post_init__(self) -> None:
        check_id(self.id, "HumanTask")
        what = f"HumanTask({self.id!r})"
        check_model(self.output, f"{what}: output")
        if not isinstance(self.prompt, str) or not self.prompt.strip():  # pyright: ignore[reportUnnecessaryIsInstance]
            raise invalid(f"{what}: prompt={self.prompt!r}: say in words what the person is to do.")
        if not is_count(self.max_attempts):
            raise invalid(f"{what}: max_attempts={self.max_attempts!r}: give 1 or more.")
        check_word(self.on_timeout, ("fail", "skip", "default"), f"{what}: on_timeout")
        check_default(self, what)
        check_people(self.allowed_users, f"{what}: allowed_users")
        check_people(self.allowed_scopes, f"{what}: allowed_scopes")
        check_json(self.meta, f"{what}: meta")
        check_upstream(self.depends_on, self.needs, what)
        if self.timeout is not None:
            check_timeout(self.timeout, what)
        if self.is_followed_up:
            self.check_asking(what, self.timeout)
            check_newcomers(self, self.allowed_users, self.allowed_scopes, what)
        try:
            form_of(self.output)
        except (PydanticInvalidForJsonSchema, PydanticUserError) as error:
            raise invalid(
                f"{what}: {self.output.__name__} has no JSON schema, so nobody can fill it in: {error}"
            ) from None
        if secret := secrets_of(self.output):
            raise invalid(
                f"{what}: {', '.join(secret)} of {self.output.__name__} is a secret, but answers are stored and shown: "
                "ask where it is kept instead."
            )

    def __getitem__(self, children: Child) -> HumanTask[M]:
        raise invalid(f"HumanTask({self.id!r}) takes no children: what the person is to do is its prompt.")

    def upstream(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self.needs.values(), *self.depends_on)))


def check_default(task: HumanTask[Any], what: str) -> None:
    check_comes(task.on_timeout, task.timeout, what)
    if (task.on_timeout == "default") != (task.default is not None):
        raise invalid(f"{what}: default={task.default!r} and on_timeout={task.on_timeout!r}: give both or none.")
    if task.default is None:
        return
    if not isinstance(task.default, task.output):
        raise invalid(f"{what}: default={task.default!r} is no {task.output.__name__}.")


@lru_cache(maxsize=256)
def form_of(model: type[BaseModel]) -> dict[str, Any]:
    """The JSON schema of what a person fills in. Do not change it: it is kept."""
    return model.model_json_schema()
