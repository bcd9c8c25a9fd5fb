"""Which code may say what about a run, and the sources that a digest stands for."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from smithers.engine.entry import Fact
from smithers.errors import SourcesMissing
from smithers.store.interface import Store
from smithers.store.records import Sources
from tests.conformance.store.make import DIGEST, Maker, claimed, command, ended, plan

pytestmark = pytest.mark.decision("0014")

OTHER = "e5" * 32
FOLLOW = Fact("follow", "follow:1", {"digest": OTHER, "source": "/p/flow.py"})
FAILED = Fact("render_failed", "render_failed:1", {"covers": 1, "digest": DIGEST, "error": {}})


def test_bodies_begin_only_with_the_code_that_the_run_is_pinned_to(run: Maker) -> None:
    run.plan(command(1), command(2, "test"))
    assert run.append(claimed(1), code=DIGEST).outcomes == ("stored",)
    run.append(FOLLOW)

    assert run.append(claimed(2, "test"), code=DIGEST).outcomes == ("rejected",)
    assert run.append(claimed(2, "test"), code=OTHER).outcomes == ("stored",)


def test_a_body_of_the_old_code_that_has_begun_ends_and_its_plan_is_left_to_the_new_one(run: Maker) -> None:
    run.plan(command(1))
    run.append(claimed(1), code=DIGEST)
    run.append(FOLLOW)
    seen = run.row

    old = run.append(ended(1), plan=plan(seen.planned, seen.head, 2, digest=DIGEST), code=DIGEST)
    new = run.append(plan=plan(seen.planned, seen.head, 2, digest=OTHER), code=OTHER)

    assert (old.outcomes, old.planned, new.planned) == (("stored",), False, True)
    assert [entry.code for entry in run.log if entry.kind in ("ended", "frame")][1:] == [DIGEST, OTHER]


def test_old_code_does_not_say_that_the_run_does_not_render(run: Maker) -> None:
    run.append(FOLLOW)

    assert run.append(FAILED, code=DIGEST).outcomes == ("rejected",)
    assert run.row.status == "running"


def test_a_duplicate_of_a_claim_is_a_duplicate_after_a_follow_too(run: Maker) -> None:
    run.plan(command(1))
    run.append(claimed(1), code=DIGEST)
    run.append(FOLLOW)

    assert run.append(claimed(1), code=DIGEST).outcomes == ("duplicate",)


def sources(digest: str = DIGEST) -> Sources:
    files = {"flow.py": b"x = 1\n" * 1000, "lib/a.py": b"", "prompts/plan.md": "Grüße".encode()}
    return Sources(digest, "flow.py", files, {"python": "3.13.1", "packages": {"pydantic": "2.0"}})


def test_sources_are_kept_by_digest_and_their_files_once(store: Store) -> None:
    assert not store.has_sources(DIGEST)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(store.write_sources, [sources(DIGEST), sources(OTHER)] * 8))

    assert store.has_sources(DIGEST)
    assert (store.sources(DIGEST), store.sources(OTHER)) == (sources(DIGEST), sources(OTHER))


def test_sources_that_are_not_there_are_an_error_that_says_so(store: Store) -> None:
    with pytest.raises(SourcesMissing, match=f"{DIGEST[:12]} are not in the store"):
        store.sources(DIGEST)
