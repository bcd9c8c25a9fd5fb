"""Words that tell where a file was written are found."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.checks.words import check
from tests.unit.checks.trees import plant

FORBIDDEN = [
    "see /wor" + "k/shared/design.md",
    "index = https://py" + "pi.org/simple",
    "from https://files.python" + "hosted.org/packages",
    "npm --registry https://registry.np" + "mjs.org",
    "GOPROXY=https://proxy.gol" + "ang.org",
    "Co-Authored-" + "By: someone",
    "<" * 7 + " HEAD",
]


@pytest.mark.parametrize("text", FORBIDDEN)
def test_a_forbidden_word_is_found_with_its_line(tmp_path: Path, text: str) -> None:
    (finding,) = check(plant(tmp_path, {"docs/a.md": f"fine\n{text}\n"})).findings

    assert (finding.path, finding.line) == ("docs/a.md", 2)


@pytest.mark.parametrize("text", ["docker run -w /workspace x", "docs/work/notes", "~/work/x", "a <<<<<<< b"])
def test_words_that_only_look_alike_are_let_through(tmp_path: Path, text: str) -> None:
    assert check(plant(tmp_path, {"docs/a.md": text})).findings == ()


def test_lock_files_and_binary_files_are_not_read(tmp_path: Path) -> None:
    tree = plant(tmp_path, {"uv.lock": FORBIDDEN[1]})
    (tmp_path / "image.png").write_bytes(b"\0" + FORBIDDEN[0].encode())

    assert check(tree).findings == ()
