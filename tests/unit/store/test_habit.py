"""What people have approved in a row, over the runs of a workflow."""

from __future__ import annotations

from pathlib import Path

import pytest

from smithers.engine.entry import Fact
from smithers.engine.frame import NodeRow
from smithers.project import Project
from smithers.store import open_store
from smithers.store.habit import habitual, streak
from smithers.store.records import Append, NewRun

ASKED = NodeRow("ship", "", "approval", "waiting-approval", detail={"title": "?", "auto_after": 2})


@pytest.mark.feature("approval.auto.after")
@pytest.mark.parametrize(
    ("history", "expected"),
    [("", 0), ("y", 1), ("yyy", 3), ("yyny", 1), ("yyn", 0), ("yay", 2), ("yaa", 1), ("yoy", 2), ("yty", 2)],
)
def test_a_denial_begins_anew_and_automatic_ones_do_not_count(tmp_path: Path, history: str, expected: int) -> None:
    """y: yes, n: no, a: automatic, o: yes to another node whose id begins alike, t: nobody answered in time."""
    store = open_store(Project(tmp_path), create=True)
    for number, what in enumerate(history):
        run = f"r{number}"
        store.create_run(NewRun(run, "release", {}, "d", "flow.py"))
        node = "ship:it" if what == "o" else "ship"
        data = {"node": node, "iteration": "", "approved": what in "yao", "by": "ann", "auto": what == "a"}
        kind = "fired" if what == "t" else "decided"
        store.append(Append(run, (Fact(kind, f"decided:{node}:", data),)))
    store.create_run(NewRun("other", "deploy", {}, "d", "flow.py"))
    store.create_run(NewRun("now", "release", {}, "d", "flow.py"))

    assert streak(store, "release", "ship") == expected
    assert streak(store, "deploy", "ship") == 0
    assert [fact.key for fact in habitual(store, "now", (ASKED,))] == (["decided:ship:"] if expected >= 2 else [])
    assert habitual(store, "other", (ASKED,)) == ()
    store.close()
