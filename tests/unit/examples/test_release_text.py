from __future__ import annotations

from typing import Any

import pytest

from smithers.worker.code import LoadedCode

LOG = (
    "\x1eabc1234\x1fAda\x1f2026-03-01T10:00:00+01:00\x1ffeat(api)!: add a door.\n\n"
    "10\t2\tsrc/door.py\n-\t-\tsrc/door.png\n1\t0\tREADME.md\n"
    "\x1eabc1235\x1fBob\x1f2026-03-01T09:00:00+01:00\x1fFix: the roof\n\n3\t1\tdocs/grüße: und mehr.md\n"
    "\x1eabc1236\x1fBob\x1f2026-03-01T08:00:00+01:00\x1fNothing changed\n"
)


@pytest.fixture
def text(release: LoadedCode) -> Any:
    return release.modules["release_text"]


def made(text: Any, area: str, subject: str, sha: str = "s") -> Any:
    return text.Commit(sha=sha, author="Ada", date="2026", subject=subject, area=area, files=1, added=2, removed=1)


def history(text: Any, commits: list[Any]) -> Any:
    moved, areas = text.grouped(commits)
    return text.History(repo="r", range="v1..v2", target="t", commits=moved, areas=areas)


def composed(text: Any, count: int, level: int, max_chars: int) -> str:
    found = history(text, [made(text, f"area{n % 3}", f"change number {n}") for n in range(count)])
    sections = [text.describe(a.name, [c for c in found.commits if c.area == a.name]) for a in found.areas]
    return text.compose(found, sections, level, max_chars).text


def test_a_log_is_read_with_binary_files_odd_names_and_empty_commits(text: Any) -> None:
    first, second, third = text.parse_log(LOG)

    assert (first.sha, first.author, first.area) == ("abc1234", "Ada", "src")
    assert (first.files, first.added, first.removed) == (3, 11, 2)
    assert second.area == "docs"
    assert (third.area, third.files) == ("other", 0)
    assert text.parse_log("") == []


@pytest.mark.parametrize(
    ("subject", "sentence"),
    [
        ("feat(api)!: add a door.", "Add a door"),
        ("fix: roof", "Roof"),
        ("Engine: render", "Engine: render"),
        ("http://example.org moved", "Http://example.org moved"),
        ("", "(no subject)"),
        ("fix: ", "Fix:"),
    ],
)
def test_subjects_become_sentences(text: Any, subject: str, sentence: str) -> None:
    assert text.sentence(subject) == sentence


def test_areas_are_ordered_by_commits_and_few(text: Any) -> None:
    commits = [made(text, f"a{n:02}", "x") for n in range(20)] + [made(text, "big", "y")] * 3

    moved, areas = text.grouped(commits)

    assert [area.name for area in areas] == ["big", *(f"a{n:02}" for n in range(6)), "other"]
    assert {commit.area for commit in moved} == {area.name for area in areas}
    assert len({area.id for area in areas}) == len(areas)


def test_area_ids_can_name_tasks_whatever_the_folder_is_called(text: Any) -> None:
    _, areas = text.grouped([made(text, "ein Ordner/ü", "x"), made(text, "…", "y")])

    assert [area.id for area in areas] == ["area-1-ein-Ordner", "area-2-area"]


def test_a_subject_that_comes_again_is_one_line(text: Any) -> None:
    section = text.describe("src", [made(text, "src", "fix: typo", "2"), made(text, "src", "Typo", "1")])

    assert [(line.text, line.credit) for line in section.lines] == [("Typo", "Ada, 1")]
    assert (section.commits, section.added, section.removed) == (2, 4, 2)


def test_each_level_is_shorter_and_the_last_one_fits(text: Any) -> None:
    lengths = [len(composed(text, 60, level, 200)) for level in range(text.LEVELS)]

    assert lengths == sorted(lengths, reverse=True)
    assert len(set(lengths)) == text.LEVELS
    assert lengths[-1] <= 200


def test_full_notes_credit_authors_and_short_ones_say_how_many_are_missing(text: Any) -> None:
    full, short = composed(text, 30, 0, 9999), composed(text, 30, 3, 9999)

    assert "- Change number 0 (Ada, s)" in full
    assert "- and 8 more" in short
    assert "Ada" not in short


@pytest.mark.parametrize("limit", [0, 1, 2, 3, 10, 50])
def test_a_cut_never_exceeds_its_limit(text: Any, limit: int) -> None:
    assert len(text.cut("one line\nand another\n" * 5, limit)) <= limit
