"""Groups that are made of simpler ones: `MergeQueue`, `DecisionTable`, `Branch`, `ForEach`; and endless loops."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

import smithers
from smithers import (
    Approval,
    Aspects,
    Branch,
    Child,
    Context,
    DecisionTable,
    Each,
    ForEach,
    Loop,
    MergeQueue,
    Parallel,
    Ralph,
    Rule,
    Sequence,
    Task,
    Timer,
    TokenBudget,
    TryCatchFinally,
    Turn,
    call,
)
from smithers.engine.plan import Planner
from smithers.errors import InvalidElement, RenderError
from smithers.testing import InMemoryRun, fails
from tests.unit.engine.by_hand import at_work, number, start


class Out(BaseModel):
    n: int = 0


class Names(BaseModel):
    names: list[str]


def work(n: int = 0) -> Out:
    return Out(n=n)


def task(id: str, **props: Any) -> Task[Out]:
    return Task(id, output=Out, **{"retries": 0, **props})[work]


def finish(run: InMemoryRun, node: str, value: BaseModel | None = None) -> None:
    run.finish(number(run, node), value or Out())


@pytest.mark.feature("mergequeue.default-one", "mergequeue.order", "mergequeue.children", "mergequeue.scope")
def test_a_merge_queue_runs_one_task_at_a_time_lane_by_lane(rebuild: bool) -> None:
    queue = MergeQueue[Sequence[task("a1"), task("a2")], task("b"), Parallel[task("c"), task("d")]]
    run = start(Parallel[queue, task("beside")], rebuild)
    seen: list[str] = []

    while run.work:
        mine = [node for node in at_work(run) if node != "beside"]
        assert len(mine) <= 1
        seen += mine
        assert "beside" in at_work(run), "what is not in the queue runs at the same time"
        if not mine:
            break
        finish(run, mine[0])

    assert seen == ["a1", "a2", "b", "c", "d"]


@pytest.mark.feature("mergequeue.maxConcurrency", "mergequeue.skipIf", "mergequeue.id")
def test_a_merge_queue_may_have_more_lanes_or_none(rebuild: bool) -> None:
    wide = start(MergeQueue(id="q", max_concurrency=2)[task("a"), task("b"), task("c")], rebuild)
    none = start(Sequence[MergeQueue(skip_if=True)[task("a")], task("after")], rebuild)

    assert at_work(wide) == ["a", "b"]
    assert at_work(none) == ["after"]


@pytest.mark.feature(
    "decisiontable.rules", "decisiontable.rule.when", "decisiontable.rule.then", "decisiontable.first-match"
)
def test_the_first_rule_that_holds_wins(run: Any) -> None:
    table = DecisionTable(
        [Rule(when=False, then=task("a")), Rule(when=1, then=[task("b"), task("c")]), Rule(when=True, then=task("d"))],
        default=task("e"),
    )

    assert run(Sequence[table, task("after")]).started == ["b", "c", "after"]


@pytest.mark.feature("decisiontable.all-match", "decisiontable.rule.label", "decisiontable.id")
def test_or_all_rules_that_hold_at_the_same_time() -> None:
    rules = [Rule(when=name != "b", then=task(name), label=f"rule {name}") for name in "abc"]

    run = start(DecisionTable(rules, strategy="all-match", id="t"))

    assert at_work(run) == ["a", "c"]


@pytest.mark.feature("decisiontable.default", "decisiontable.all-match.default", "decisiontable.no-match")
@pytest.mark.parametrize("strategy", ["first-match", "all-match"])
def test_where_none_holds_it_is_the_default_or_nothing(strategy: Any) -> None:
    rules = [Rule(when=None, then=task("a"))]

    with_default = start(DecisionTable(rules, strategy=strategy, default=task("d")))
    without = start(Sequence[DecisionTable(rules, strategy=strategy), task("after")])

    assert at_work(with_default) == ["d"]
    assert at_work(without) == ["after"]
    assert sorted(without.nodes) == ["after:"]


@pytest.mark.feature("decisiontable.skipIf", "branch.skipIf", "props.branch.skipif", "controlflow.skipIf-all")
def test_every_choice_and_group_can_be_left_out(run: Any) -> None:
    rules = [Rule(when=True, then=task("a"))]
    left_out = [
        DecisionTable(rules, skip_if=True),
        Branch(True, then=task("b"), otherwise=task("c"), skip_if=True),
        Sequence(skip_if=True)[task("d")],
        Parallel(skip_if=True)[task("e")],
        Loop("l", until=False, skip_if=True)[task("f")],
    ]

    assert run(Sequence[left_out, task("after")]).started == ["after"]


@pytest.mark.feature("decisiontable.rerender", "branch.rerender", "branch.flip", "branch.maybe")
def test_rules_and_conditions_are_looked_at_again_when_what_they_read_changes(rebuild: bool) -> None:
    def tree(ctx: Context[Any]) -> Child:
        def table() -> Child:
            found = ctx.output_maybe(Out, "look")
            return DecisionTable(
                [Rule(when=found and found.n > 1, then=task("many")), Rule(when=found, then=task("few"))],
                default=task("unknown"),
            )

        def branch() -> Child:
            return Branch(ctx.output_maybe(Out, "look"), then=task("yes"), otherwise=task("no"))

        return Parallel[task("look"), table, branch]

    run = start(tree, rebuild)
    assert at_work(run) == ["look", "unknown", "no"]
    finish(run, "look", Out(n=2))

    assert {c.target for c in run.open.values() if c.kind == "cancel"} == {2, 3}
    assert at_work(run)[2:] == ["many", "yes"]
    assert (run.nodes["unknown:"].state, run.nodes["no:"].state) == ("cancelling", "cancelling")


@pytest.mark.feature("sched.branch", "sched.ready.mounted")
@pytest.mark.feature(
    "branch.if", "branch.then", "branch.else", "branch.else-omitted", "branch.unmounted", "branch.subgraph",
    "branch.one-per-frame", "props.branch.if", "props.branch.then", "props.branch.else", "props.branch.noelse",
    "controlflow.branch-structural", "controlflow.branch-subgraph", "controlflow.pattern.branch-seq",
)  # fmt: skip
def test_one_path_of_a_branch_is_there_and_the_other_is_not(run: Any) -> None:
    both = Branch(True, then=Sequence[task("a"), task("b")], otherwise=task("c"))
    nothing = Branch(False, then=task("d"))

    assert run(Sequence[both, nothing, task("after")]).started == ["a", "b", "after"]
    assert sorted(start(Sequence[both, nothing, task("after")]).nodes) == ["a:", "after:", "b:"]


@pytest.mark.feature("controlflow.ternary", "controlflow.conditional-absent")
def test_plain_conditions_leave_a_task_out_and_skip_if_shows_it_as_skipped() -> None:
    run = start(Sequence[None if True else task("never"), task("skipped", skip_if=True), task("a")])

    assert {key: row.state for key, row in run.nodes.items()} == {"skipped:": "skipped", "a:": "running"}


@pytest.mark.feature("sequence.failure", "controlflow.sequence-gate", "controlflow.implicit", "sequence.children")
def test_a_failing_child_stops_the_rest_of_a_sequence_unless_it_is_tolerated(run: Any) -> None:
    stopped = run([task("a"), Timer("t", duration="10ms"), task("bad"), task("never")], results={"bad": fails()})
    tolerated = run(Sequence[task("bad", continue_on_fail=True), task("next")], results={"bad": fails()})

    assert (stopped.status, stopped.started) == ("failed", ["a", "bad"])
    assert (tolerated.status, tolerated.started) == ("finished", ["bad", "next"])


@pytest.mark.feature("sequence.read-previous", "controlflow.pattern.chain")
def test_a_later_child_reads_an_earlier_one_s_output(run: Any) -> None:
    def tree(ctx: Context[Any]) -> Child:
        return Sequence[task("one"), lambda: Task("two", output=Out)[call(work, ctx.output(Out, "one").n + 1)]]

    assert run(tree, results={"one": Out(n=4)}).output(Out, "two").n == 5


@pytest.mark.feature("workflow.extract")
@pytest.mark.feature("sequence.ordinals")
def test_ordinals_follow_the_source() -> None:
    run = start(Sequence[task("z"), Parallel[task("y"), Sequence[task("x")]], task("a")])

    assert [row.node for row in sorted(run.nodes.values(), key=lambda row: row.ordinal)] == ["z", "y", "x", "a"]


@pytest.mark.feature("sequence.ordinals")
@pytest.mark.parametrize(
    "group",
    [
        lambda x: Parallel[x],
        lambda x: Loop("loop", until=lambda: True)[x],
        lambda x: TryCatchFinally(id="block")[x],
        lambda x: Aspects(id="budget", token_budget=TokenBudget(max=9))[x],
        lambda x: lambda: x,
    ],
)
def test_what_is_in_a_group_stands_at_the_place_of_the_group(group: Any) -> None:
    run = start(Parallel[task("z"), task("y"), group(task("x")), task("a")])

    assert [row.node for row in sorted(run.nodes.values(), key=lambda row: row.ordinal)] == ["z", "y", "x", "a"]
    assert len({row.ordinal for row in run.nodes.values()}) == 4


@pytest.mark.feature(
    "parallel.nest", "controlflow.primitives", "controlflow.lanes", "controlflow.parallel-all", "controlflow.barrier",
    "controlflow.pattern.par-seq", "controlflow.pattern.fan-in",
)  # fmt: skip
def test_lanes_go_on_by_themselves_and_what_follows_waits_for_all(rebuild: bool) -> None:
    lanes = Parallel[Sequence[task("a1"), task("a2")], Sequence[task("b1"), Parallel[task("b2"), task("b3")]]]
    run = start(Sequence[lanes, task("after")], rebuild)

    assert at_work(run) == ["a1", "b1"]
    finish(run, "b1")
    assert at_work(run) == ["a1", "b2", "b3"]
    for node in ("b2", "b3", "a1", "a2"):
        assert "after" not in at_work(run)
        finish(run, node)
    assert at_work(run) == ["after"]


@pytest.mark.feature("controlflow.rate-cap")
def test_a_cap_is_filled_up_as_soon_as_a_task_ends(rebuild: bool) -> None:
    run = start(Parallel(max_concurrency=2)[(task(f"t{i}") for i in range(4))], rebuild)
    most = [len(run.work)]

    while run.work:
        run.finish(run.work[0].n, Out())
        most.append(len(run.work))

    assert most == [2, 2, 2, 1, 0]


@pytest.mark.feature("props.ralph")
@pytest.mark.feature("loop.alias")
def test_ralph_is_the_older_name_of_loop() -> None:
    assert Ralph is Loop
    assert smithers.Ralph is Loop


@pytest.mark.feature("loop.infinite", "controlflow.loop-stop")
def test_a_loop_without_a_cap_goes_on_until_it_holds(rebuild: bool) -> None:
    run = start(Loop("l", until=lambda turn: turn.iteration >= 30, max_iterations=None)[task("a")], rebuild)

    passes = 0
    while run.work:
        passes += 1
        run.finish(run.work[0].n, Out())

    assert (run.status, passes) == ("finished", 31)


@pytest.mark.feature(
    "loop.children", "controlflow.loop-steps", "controlflow.loop-feedback", "controlflow.pattern.loop-seq"
)
def test_a_pass_carries_on_from_what_the_one_before_it_left(run: Any) -> None:
    """What a run that continues as new would carry over is read from the pass before."""

    def tree(ctx: Context[Any]) -> Child:
        def step(turn: Turn) -> Child:
            before = ctx.output_maybe(Out, "count", iteration=turn.iteration - 1)
            assert (before is None) == (turn.iteration == 0)
            return Sequence[Task("count", output=Out)[call(work, (before.n if before else 0) + 10)], task("rest")]

        def enough() -> bool:
            found = ctx.latest(Out, "count")
            return found is not None and found.n >= 30

        return Loop("l", until=enough, max_iterations=None)[step]

    ended = run(tree)

    assert (ended.status, ended.output(Out, "count", "2").n) == ("finished", 30)
    assert ended.started == [f"{node}:{turn}" for turn in range(3) for node in ("count", "rest")]


@pytest.mark.feature("loop.resume")
def test_a_crash_in_the_middle_of_a_pass_goes_on_with_its_unfinished_task() -> None:
    run = start(Loop("l", until=False, max_iterations=2)[Sequence[task("a"), task("b")]])
    for node in ("a", "b", "a"):
        finish(run, node)

    again = Planner.build(run.workflow, run.run_id, run.log)
    assert list(again.state.by_command.values()) == ["b:1"]
    run.planner = again
    finish(run, "b")

    assert run.status == "finished"
    assert len([c for plan in run.plans for c in plan.commands if c.kind == "run"]) == 4


@pytest.mark.feature("loop.duplicate-id")
def test_two_loops_with_one_id_are_refused() -> None:
    with pytest.raises(RenderError, match="'l' stands at") as raised:
        start(Sequence[Loop("l", until=False)[task("a")], Loop("l", until=False)[task("b")]])

    assert raised.value.data["code"] == "DUPLICATE_ID"


def files(ctx: Context[Any]) -> Child:
    """One lane for each file that was found, most urgent first."""

    def lanes() -> Child:
        def lane(each: Each[str]) -> Child:
            return Sequence[task(each.id("read")), task(each.id("fix"))]

        return ForEach("files", items=(ctx.latest(Names, "found") or Names(names=[])).names)[lane]

    watch = Loop("watch", until=False, max_iterations=2)[Task("found", output=Names)[call(Names, names=[])]]
    return Parallel[watch, Sequence[lanes]]


@pytest.mark.feature("controlflow.map")
def test_items_keep_what_is_done_when_others_are_put_before_them(rebuild: bool) -> None:
    run = start(files, rebuild)
    finish(run, "found", Names(names=["b", "c"]))
    finish(run, "files/b/read")
    finish(run, "found", Names(names=["c", "a", "b"]))

    assert sorted(at_work(run)) == ["files/a/read", "files/b/fix", "files/c/read"]
    while run.work:
        run.finish(run.work[0].n, Out())
    begun = [c.node for plan in run.plans for c in plan.commands if c.kind == "run" and c.node != "found"]
    assert sorted(begun) == sorted(set(begun)), "nothing runs twice"
    assert (run.status, len(begun)) == ("finished", 6)


def test_an_item_that_disappears_takes_its_task_with_it(rebuild: bool) -> None:
    run = start(files, rebuild)
    finish(run, "found", Names(names=["b", "c"]))
    finish(run, "found", Names(names=["c"]))

    assert [run.open[c.target].node for c in run.open.values() if c.kind == "cancel"] == ["files/b/read"]
    assert run.nodes["files/b/read:"].state == "cancelling"


def test_for_each_takes_mappings_keys_and_caps(run: Any) -> None:
    def body(each: Each[int]) -> Child:
        return Task(each.id("t"), output=Out)[call(work, each.value)]

    mapped = run(ForEach("m", items={"x": 1, "y": 2}, max_concurrency=1)[body])
    keyed = run(ForEach("k", items=[3, 4], key=lambda n: f"n{n}")[body])

    assert mapped.started == ["m/x/t", "m/y/t"]
    assert (mapped.output(Out, "m/y/t").n, keyed.output(Out, "k/n4/t").n) == (2, 4)


def test_a_failing_item_ends_the_group_as_in_any_parallel_group(rebuild: bool) -> None:
    run = start(Sequence[ForEach("f", items=["a", "b"])[lambda each: task(each.id("t"))], task("after")], rebuild)

    run.fail(run.work[0].n)
    assert at_work(run) == ["f/b/t"]
    finish(run, "f/b/t")

    assert run.status == "failed"


@pytest.mark.parametrize(
    ("props", "message"),
    [
        ({"items": ["a", "b", "a"]}, "'a' and 'a' have the same key, 'a'"),
        ({"items": [1, "1"]}, "have the same key, '1'"),
        ({"items": [{"n": 1}]}, "what is the key of"),
        ({"items": ["a b"]}, "cannot be the key of 'a b'"),
        ({"items": [1], "key": lambda n: None}, "None cannot be the key of 1"),
    ],
)
def test_keys_that_do_not_tell_items_apart_are_refused_with_the_line(props: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidElement, match=rf"ForEach\('f'\).*{message}.*test_choices\.py:\d+"):
        ForEach("f", **props)[lambda each: task(each.id("t"))]


def test_what_makes_no_sense_is_refused_where_it_is_written() -> None:
    with pytest.raises(InvalidElement, match="is one text: give a list"):
        ForEach("f", items="abc")
    with pytest.raises(InvalidElement, match="its body is a function of the item"):
        ForEach("f", items=[1])[task("a")]  # type: ignore[index]
    with pytest.raises(InvalidElement, match="as a rule: write Rule"):
        DecisionTable([(True, task("a"))])  # type: ignore[list-item]
    with pytest.raises(InvalidElement, match="use first-match or all-match"):
        DecisionTable([], strategy="any")  # type: ignore[arg-type]
    with pytest.raises(InvalidElement, match="text and data belong inside a Task"):
        DecisionTable([Rule(when=False, then="text")])
    with pytest.raises(InvalidElement, match="give 1 or more"):
        MergeQueue(max_concurrency=0)


def test_a_merge_queue_does_not_wait_with_a_lane_that_waits_for_a_person(rebuild: bool) -> None:
    run = start(MergeQueue[Sequence[Approval("ask", title="?"), task("a")], task("b")], rebuild)

    assert at_work(run) == ["b"]
