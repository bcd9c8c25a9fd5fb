"""What is explored: small flows, and which faults may happen to them.

`small` is what the tests do: every fault on every small flow, and every pair of faults on a chain of two, but for the
largest. `big` has every pair on every flow, and the larger flows.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations_with_replacement
from typing import NamedTuple

from tests.model.protocol import begin
from tests.model.records import Case, Faults, Node, Rules, State

FLOWS = {
    "chain": (Node("a"), Node("b", after=("a",))),
    "burst": (Node("a", burst=True), Node("b", after=("a",), burst=True)),
    "long burst": (
        Node("a", burst=True),
        Node("b", after=("a",), burst=True),
        Node("c", after=("b",), burst=True),
    ),
    "approval": (Node("p", "approval"), Node("b", after=("p",))),
    "short approval": (Node("p", "approval"), Node("b", after=("p",), burst=True)),
    "short beside": (Node("p", "approval"), Node("b", burst=True)),
    "timer": (Node("t", "timer"), Node("b", after=("t",))),
    "short timer": (Node("t", "timer"), Node("b", after=("t",), burst=True)),
    "child": (Node("c", "child"), Node("b", after=("c",))),
    "retry": (Node("a", attempts=2),),
    "pair": (Node("a"), Node("b")),
    "join": (Node("a"), Node("b"), Node("j", after=("a", "b"))),
    "burst join": (Node("a", burst=True), Node("b", burst=True), Node("j", after=("a", "b"), burst=True)),
    "mixed": (
        Node("a", burst=True),
        Node("p", "approval"),
        Node("b", after=("a",), burst=True),
        Node("j", after=("b", "p")),
    ),
    "two chains": (Node("a"), Node("b"), Node("c", after=("a",)), Node("d", after=("b",))),
    "two approvals": (
        Node("a"),
        Node("p", "approval"),
        Node("c", after=("p",)),
        Node("q", "approval"),
        Node("e", after=("q",)),
    ),
}
LITTLE = ("chain", "burst", "long burst", "approval", "short approval", "timer", "short timer", "child", "retry")


class Scenario(NamedTuple):
    flow: str
    faults: tuple[str, ...] = ()
    max_deaths: int = 3

    def __str__(self) -> str:
        deaths = "" if self.max_deaths == 3 else f", {self.max_deaths} deaths"
        return f"{self.flow}: {' '.join(self.faults) or 'no faults'}{deaths}"

    def begin(self, rules: Rules) -> tuple[Case, State]:
        case = Case(FLOWS[self.flow], rules, self.max_deaths)
        names = [name for fault in self.faults for name in (("fail", "resume") if fault == "resume" else (fault,))]
        return case, begin(case, Faults(**{name: names.count(name) for name in names}))

    @property
    def relies_on(self) -> frozenset[str]:
        """Whom the end depends on, beside the protocol itself: what these faults cost an interval of.

        Less is not enough: see `test_what_the_sweeper_is_for`.
        """
        faults, helpers = set(self.faults), set[str]()
        if faults & {"bell", "terminate", "restart", "resume"}:
            helpers.add("sweep")
        if "bell" in faults and faults & {"zombie", "terminate"}:
            helpers.add("unclaimed")
        several_runs = faults & {"can", "terminate", "restart", "redrive", "resume"}
        if self.flow == "child" and several_runs and faults & {"crash", "zombie", "cancel"}:
            helpers.add("look again")
        return frozenset(helpers)


FAULTS = (
    "crash",
    "body",
    "zombie",
    "bell",
    "spurious",
    "can",
    "cancel",
    "redrive",
    "restart",
    "terminate",
    "fail",
    "deny",
    "resume",
    "render",
)
PAIRS = tuple(combinations_with_replacement([fault for fault in FAULTS if fault not in {"fail", "deny"}], 2))
LARGE_PAIRS = frozenset(
    {
        ("zombie", "cancel"),
        ("zombie", "redrive"),
        ("zombie", "render"),
        ("cancel", "redrive"),
        ("cancel", "render"),
        ("redrive", "render"),
    }
)


def small() -> Iterable[Scenario]:
    for flow in LITTLE:
        yield Scenario(flow)
        yield from (Scenario(flow, (fault,)) for fault in FAULTS)
    yield from (Scenario("chain", pair) for pair in PAIRS if pair not in LARGE_PAIRS)
    yield Scenario("chain", ("crash", "crash"), max_deaths=2)
    yield Scenario("chain", ("crash", "crash", "crash"))
    yield Scenario("chain", ("crash", "crash", "body"), max_deaths=2)
    yield Scenario("child", ("crash", "body", "body"), max_deaths=2)
    yield from (Scenario("approval", ("deny", other)) for other in ("resume", "zombie", "cancel"))
    yield Scenario("approval", ("deny", "deny", "resume", "resume"))
    yield Scenario("burst", ("crash", "zombie"))
    yield Scenario("burst", ("zombie", "can"))
    yield Scenario("child", ("crash", "can"))
    yield Scenario("approval", ("zombie", "bell"))
    yield from (Scenario("pair", (fault,)) for fault in ("zombie", "terminate", "redrive"))
    yield from (Scenario("join", faults) for faults in ((), ("crash",), ("can",), ("bell",), ("fail",)))


def big() -> Iterable[Scenario]:
    yield from small()
    for flow in ("pair", "join", "burst join", "mixed"):
        yield from (Scenario(flow, (fault,)) for fault in FAULTS)
    for flow in LITTLE:
        yield from (Scenario(flow, pair) for pair in PAIRS)
    for third in ("crash", "zombie", "terminate", "can"):
        yield Scenario("chain", ("crash", "zombie", third))
        yield Scenario("burst", ("crash", "zombie", third))


SIZES = {"small": tuple(small()), "big": tuple(dict.fromkeys(big()))}
