"""Approvals: a person says yes or no, picks one option, or orders them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, get_args

from pydantic import BaseModel

from smithers.flow.asked import Asked, check_newcomers, check_people
from smithers.flow.element import Child, Written, check_id, check_json, check_not_async, check_upstream, is_count
from smithers.flow.nothing import nothing
from smithers.flow.policy import UNLIMITED, Duration, check_comes, duration
from smithers.flow.where import invalid

ApprovalMode = Literal["approve", "select", "rank"]
OnDeny = Literal["fail", "continue", "skip"]
OnTimeout = Literal["fail", "continue", "skip", "deny", "approve", "default"]
CHOOSING: Final = ("select", "rank")


class Decision(BaseModel):
    """What a person decided (components-approval: approvalDecisionSchema)."""

    approved: bool
    note: str | None = None
    decided_by: str | None = None
    decided_at: str | None = None
    """Kept for compatibility, always None: the time is in the log."""


class ApprovalSelection(BaseModel):
    """The option that a person picked (components-approval: approvalSelectionSchema)."""

    selected: str
    """Its key."""
    notes: str | None = None


class ApprovalRanking(BaseModel):
    """The order in which a person put all options (components-approval: approvalRankingSchema)."""

    ranked: list[str]
    """Their keys, best first."""
    notes: str | None = None


@dataclass(frozen=True, slots=True)
class ApprovalOption(metaclass=Written):
    """One of the things to choose from."""

    key: str
    """What the decision holds, and what is typed after `--choice` and `--rank`."""
    label: str = ""
    summary: str = ""
    metadata: Mapping[str, Any] = field(default_factory=nothing)

    def __post_init__(self) -> None:
        check_id(self.key, "ApprovalOption")
        check_json(self.metadata, f"ApprovalOption({self.key!r}): metadata")


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoApprove(metaclass=Written):
    """When an approval needs no person (components-approval: autoApprove). One of the two is enough."""

    after: int | None = None
    """Once people have approved this node of this workflow so often in a row, over all runs. A denial begins anew;
    automatic approvals do not count."""
    condition: bool | Callable[[], bool] | Callable[[Any], bool] = False
    """At once where this holds: a value, or a function (of the context, if it takes an argument) that is asked when
    the approval is reached, and again whenever something changes that it has read."""
    audit: bool = True
    """Whether the approval is shown as an event of its own, `ApprovalAutoApproved`."""

    def __post_init__(self) -> None:
        if not (self.after is None or is_count(self.after)):
            raise invalid(f"AutoApprove(after={self.after!r}): give the number of approvals in a row, 1 or more.")
        if not (isinstance(self.condition, bool) or callable(self.condition)):
            raise invalid(f"AutoApprove(condition={self.condition!r:.60}): give True or False, or a function.")
        check_not_async(self.condition, "AutoApprove(condition=...)")
        if self.after is None and self.condition is False:
            raise invalid("AutoApprove() never approves: say when, with after or condition.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval(Asked):
    """Waits until people have decided (components-approval).

    Its output is a `Decision`, with `mode="select"` an `ApprovalSelection`, with `mode="rank"` an `ApprovalRanking`.
    """

    id: str = field(kw_only=False)
    title: str = ""
    summary: str = ""
    metadata: Mapping[str, Any] = field(default_factory=nothing)
    """Shown with the request; JSON."""
    mode: ApprovalMode = "approve"
    options: Sequence[ApprovalOption | str] = ()
    """What to choose from, with `select` and `rank`; a text is an option with nothing but a key."""
    on_deny: OnDeny = "fail"
    """`continue` gives a decision that says so, and needs the mode `approve`: the others have no value for it."""
    allowed_users: Sequence[str] | None = None
    """Who may decide; None is everybody."""
    allowed_scopes: Sequence[str] | None = None
    """One of these is needed to decide; None is no need. Where users are named too, both must fit."""
    quorum: int = 1
    """How many different people must approve. One denial decides."""
    auto_approve: AutoApprove | None = None
    timeout: Duration | None = None
    """For each time it is asked; a durable timer."""
    on_timeout: OnTimeout = "fail"
    """`deny` means what `on_deny` says; `approve` is as if people had approved, and needs the mode `approve`; `default`
    is as if they had chosen what `default` says, and needs another mode."""
    default: str | Sequence[str] | None = None
    """With `on_timeout="default"`: the key of an option; in mode `rank` the keys of all of them, best first."""
    retries: int = 0
    """How often it is asked again after a denial, or no answer in time, that would fail it; `UNLIMITED` for no end."""
    depends_on: tuple[str, ...] | list[str] = ()
    needs: Mapping[str, str] = field(default_factory=nothing)
    """More ids to wait for, by any name."""
    async_: bool = False
    """What comes after it may go on while it is asked; who depends on it or reads its output does not."""
    continue_on_fail: bool = False
    skip_if: bool = False
    label: str = ""
    """Shown instead of the title."""
    meta: Mapping[str, Any] = field(default_factory=nothing)
    """Shown with the request too; `metadata` wins where both have a key."""

    def __post_init__(self) -> None:
        check_id(self.id, "Approval")
        what = f"Approval({self.id!r})"
        for name, value, known in (
            ("mode", self.mode, get_args(ApprovalMode)),
            ("on_deny", self.on_deny, get_args(OnDeny)),
            ("on_timeout", self.on_timeout, get_args(OnTimeout)),
        ):
            check_word(value, known, f"{what}: {name}")
        if not isinstance(self.auto_approve, AutoApprove | None):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise invalid(f"{what}: auto_approve={self.auto_approve!r:.60}: write AutoApprove(after=3).")
        check_options(self, what)
        check_people(self.allowed_users, f"{what}: allowed_users")
        check_people(self.allowed_scopes, f"{what}: allowed_scopes")
        check_quorum(self, what)
        check_default(self, what)
        check_again(self, what)
        check_json({**self.meta, **self.metadata}, f"{what}: metadata")
        check_upstream(self.depends_on, self.needs, what)
        if self.timeout is not None:
            check_timeout(self.timeout, what)
        if self.is_followed_up:
            self.check_asking(what, self.timeout)
            check_newcomers(self, self.allowed_users, self.allowed_scopes, what)

    def __getitem__(self, children: Child) -> Approval:
        raise invalid(f"Approval({self.id!r}) takes no children: put what it guards after it in a Sequence.")

    def upstream(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self.needs.values(), *self.depends_on)))

    @property
    def choices(self) -> tuple[ApprovalOption, ...]:
        """The options, those written as text too."""
        return tuple(ApprovalOption(one) if isinstance(one, str) else one for one in self.options)


def check_word(value: object, known: tuple[str, ...], what: str) -> None:
    if value not in known:
        raise invalid(f"{what}={value!r}: use {', '.join(known[:-1])} or {known[-1]}.")


def check_options(approval: Approval, what: str) -> None:
    given: Any = approval.options
    every: list[Any] = [*given] if isinstance(given, list | tuple) else [None]
    odd: list[Any] = [one for one in every if not isinstance(one, str | ApprovalOption)]
    if odd:
        raise invalid(
            f"{what}: options={odd[0] or given!r:.80}: give a list of keys, such as ['yes', 'no'], or of "
            "ApprovalOption(key, label, summary)."
        )
    keys = [option.key for option in approval.choices]
    if approval.mode not in CHOOSING:
        if keys:
            raise invalid(f'{what} has options, but mode="approve" asks yes or no: use mode="select" or mode="rank".')
        return
    if len(keys) < 2:
        raise invalid(f"{what}: mode={approval.mode!r} needs at least two options to choose from.")
    twice = sorted({key for key in keys if keys.count(key) > 1})
    if twice:
        raise invalid(f"{what}: the option {twice[0]!r} is given twice; keys must differ.")
    if approval.auto_approve is not None:
        raise invalid(f"{what}: auto_approve needs mode='approve': nobody would choose.")
    if approval.on_timeout == "approve":
        raise invalid(f"{what}: on_timeout='approve' needs mode='approve': say what is chosen with default.")
    for name in ("on_deny", "on_timeout"):
        if getattr(approval, name) == "continue":
            raise invalid(f"{what}: {name}='continue' has no value in mode {approval.mode!r}: use fail or skip.")


def check_quorum(approval: Approval, what: str) -> None:
    if not is_count(approval.quorum):
        raise invalid(f"{what}: quorum={approval.quorum!r}: give the number of people who must approve, 1 or more.")
    if approval.quorum > 1 and approval.mode != "approve":
        raise invalid(f"{what}: quorum={approval.quorum} needs mode='approve': choices are not counted.")
    if approval.allowed_users is not None and len(set(approval.allowed_users)) < approval.quorum:
        raise invalid(f"{what}: quorum={approval.quorum} cannot be reached: fewer users than that are allowed.")


def check_default(approval: Approval, what: str) -> None:
    check_comes(approval.on_timeout, approval.timeout, what)
    if (approval.on_timeout == "default") != (approval.default is not None):
        raise invalid(
            f"{what}: default={approval.default!r} and on_timeout={approval.on_timeout!r}: give both or none."
        )
    if approval.default is None:
        return
    keys = [option.key for option in approval.choices]
    if approval.mode == "approve":
        raise invalid(f"{what}: default is for choices: use on_timeout='approve' or 'deny'.")
    if approval.mode == "select" and approval.default not in keys:
        raise invalid(f"{what}: default={approval.default!r} is no option: give one of {', '.join(keys)}.")
    ranked = [] if isinstance(approval.default, str) else list(approval.default)
    if approval.mode == "rank" and (len(ranked) != len(keys) or any(key not in ranked for key in keys)):
        raise invalid(f"{what}: default={approval.default!r}: name every option once, best first: {', '.join(keys)}.")


def check_again(approval: Approval, what: str) -> None:
    retries: Any = approval.retries
    if isinstance(retries, bool) or not isinstance(retries, int) or retries < UNLIMITED:
        raise invalid(f"{what}: retries={retries!r}: give how often it is asked again, 0 or more, or UNLIMITED.")
    late = approval.timeout is not None and approval.on_timeout == "fail"
    if retries and approval.on_deny != "fail" and not late:
        raise invalid(f"{what}: retries={retries} is about failures, but no answer fails it: leave it out.")


def check_timeout(timeout: Duration, what: str, name: str = "timeout") -> None:
    if not duration(timeout, f"{what}: {name}"):
        raise invalid(f"{what}: {name}={timeout!r} leaves no time to answer.")
