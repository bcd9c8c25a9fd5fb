"""The collector rests while modules are loaded, and nothing is lost by that."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HELD = """
import gc
from smithers.worker import loading

class Log:
    def __init__(self):
        self.file = open({path!r}, "w")
        self.write = self.note

    def note(self, text):
        self.file.write(text)

loading.begin()
log = Log()
loading.loaded()
log.write("kept")
loading.flush_files()
"""


def told(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_nothing_is_collected_while_modules_are_loaded_and_what_comes_later_is():
    said = told(
        "import gc\n"
        "from smithers.worker import loading\n"
        "loading.begin()\n"
        "during = gc.isenabled()\n"
        "loading.loaded()\n"
        "print(during, gc.isenabled(), gc.get_freeze_count() > 1000)\n"
    )

    assert said == "False True True\n"


def test_a_process_that_did_not_begin_so_is_left_as_it_is():
    assert (
        told("import gc\nfrom smithers.worker import loading\nloading.loaded()\nprint(gc.get_freeze_count())\n")
        == "0\n"
    )


def test_a_file_that_hangs_in_a_circle_is_written_before_the_end(tmp_path: Path):
    """The interpreter takes no circle apart that was there when all was loaded."""
    path = tmp_path / "log.txt"

    told(HELD.format(path=str(path)))

    assert path.read_text() == "kept"
