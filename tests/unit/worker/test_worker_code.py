from __future__ import annotations

import shutil
import sys
import threading
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from smithers.errors import InvalidElement, WorkflowFileError
from smithers.worker.code import load

FLOW = """
from pydantic import BaseModel
from smithers import Sequence, Task, workflow

class Out(BaseModel):
    n: int = 0

def work() -> Out:
    return Out(n={n})

@workflow
def ship(ctx):
    return Sequence[Task("a", output=Out)[work]]
"""
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Generator[Write]:
    """Writes files into one folder; returns the path of the first."""
    modules, finders = dict(sys.modules), sys.meta_path[:]

    def write_files(**files: str) -> Path:
        paths = [tmp_path / (name if "." in name else name.replace("__", "/") + ".py") for name in files]
        for path, text in zip(paths, files.values(), strict=True):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return paths[0]

    yield write_files
    sys.meta_path[:] = finders
    for name in set(sys.modules) - set(modules):
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


def flow(n: int = 1, top: str = "") -> str:
    return top + FLOW.replace("{n}", str(n))


def test_load_finds_the_workflow_and_names_its_code(write: Write) -> None:
    path = write(flow=flow())

    code = load(path)

    assert code.workflow.name == "ship"
    assert code.source == path
    assert dict(code.files) == {"flow.py": path.read_bytes()}
    assert len(code.digest) == 64


def test_digest_does_not_depend_on_the_place(write: Write, tmp_path: Path) -> None:
    path = write(flow=flow(top="import helpers\n"), helpers="x = 1\n")
    here = load(path)
    other = tmp_path / "elsewhere"
    other.mkdir()
    for name in ("flow.py", "helpers.py"):
        shutil.copy(tmp_path / name, other / name)

    assert load(other / "flow.py").digest == here.digest


@pytest.mark.parametrize("changed", ["flow", "helpers", "late", "pkg/__init__.py", "pkg__deep", "prompts/plan.md"])
def test_digest_covers_own_modules_and_prompts(write: Write, changed: str) -> None:
    files = {
        "flow": flow(top="import helpers\nfrom pkg import deep\n"),
        "helpers": "def f():\n    import late\n",
        "late": "",
        "pkg/__init__.py": "",
        "pkg__deep": "import json\n",
        "prompts/plan.md": "Plan.",
        "unrelated": "",
    }
    before = load(write(**files))

    write(**{changed: files[changed] + "\n# changed\n"})
    after = load(before.source)

    assert after.digest != before.digest
    assert "unrelated.py" not in after.files


def test_of_a_package_and_a_module_of_the_same_name_the_package_counts(write: Write) -> None:
    names = {"helpers/__init__.py": "VALUE = 1\n", "helpers": "VALUE = 2\n"}
    code = load(write(flow=flow(top="import helpers\n"), **names))

    assert code.resolve("helpers:VALUE") == 1
    assert set(code.files) == {"flow.py", "helpers/__init__.py"}


def test_siblings_are_found_also_later_and_in_threads(write: Write) -> None:
    late = "def answer():\n    import late\n    return late.VALUE\n"
    code = load(write(flow=flow(top=late), late="VALUE = 42\n"))
    answers: list[int] = []

    thread = threading.Thread(target=lambda: answers.append(code.resolve("smithers_workflow_flow:answer")()))
    thread.start()
    thread.join()

    assert answers == [42]
    assert str(code.source.parent) not in sys.path


def test_changed_code_is_loaded_at_once_and_old_code_keeps_working(write: Write) -> None:
    old = load(write(flow=flow(top="import helpers\n"), helpers="def f():\n    return 1\n"))
    write(helpers="def f():\n    return 2\n")

    new = load(old.source)

    assert new.digest != old.digest
    assert old.resolve("helpers:f")() == 1
    assert new.resolve("helpers:f")() == 2
    assert sys.modules["helpers"] is new.modules["helpers"]


def test_two_folders_with_modules_of_the_same_name_do_not_mix(write: Write, tmp_path: Path) -> None:
    first = load(write(a__flow=flow(top="import helpers\n"), a__helpers="x = 'a'\n"))
    second = load(write(b__flow=flow(top="import helpers\n"), b__helpers="x = 'b'\n"))

    assert (first.resolve("helpers:x"), second.resolve("helpers:x")) == ("a", "b")


def test_names_resolve_in_the_file_its_modules_and_elsewhere(write: Write) -> None:
    code = load(
        write(flow=flow(top="import pkg.deep\n"), pkg__deep="class A:\n    b = len\n", **{"pkg/__init__.py": ""})
    )

    assert code.resolve("smithers_workflow_flow:work")().n == 1
    assert code.resolve("pkg.deep:A.b") is len
    assert code.resolve("os.path:join") is __import__("os").path.join
    with pytest.raises(WorkflowFileError, match="renamed or removed"):
        code.resolve("pkg.deep:gone")


def test_a_file_in_a_package_may_use_relative_imports(write: Write) -> None:
    code = load(write(pkg__flow=flow(top="from . import helpers\n"), pkg__helpers="x = 1\n", **{"pkg/__init__.py": ""}))

    assert code.resolve("pkg.helpers:x") == 1
    assert set(code.files) == {"pkg/flow.py", "pkg/__init__.py", "pkg/helpers.py"}


def test_neighbours_that_import_the_workflow_file_get_the_same_classes(write: Write) -> None:
    code = load(write(flow=flow(), other="from flow import Out\n"))

    namespace: dict[str, object] = {}
    exec("from other import Out", namespace)

    assert namespace["Out"] is code.resolve("smithers_workflow_flow:Out")


def test_a_neighbour_named_like_the_standard_library_is_not_taken(write: Write) -> None:
    code = load(write(flow=flow(top="import queue\nqueue.Queue\n"), queue="boom\n"))

    assert set(code.files) == {"flow.py"}


def test_a_hidden_neighbour_is_an_error(write: Write, tmp_path: Path) -> None:
    with pytest.raises(WorkflowFileError, match=r"'pydantic'.*Rename the file"):
        load(write(flow=flow(), pydantic="boom\n"))


def test_a_missing_file_is_named_with_a_guess(write: Write) -> None:
    path = write(flow=flow())

    with pytest.raises(WorkflowFileError, match=r"no file .*Did you mean flow\.py"):
        load(path.with_name("flwo.py"))
    with pytest.raises(WorkflowFileError, match="is a folder"):
        load(path.parent)
    with pytest.raises(WorkflowFileError, match=r"must end in \.py"):
        load(write(**{"notes.txt": ""}))


@pytest.mark.parametrize("broken", ["flow", "helpers"])
def test_a_syntax_error_is_shown_with_its_line_and_a_caret(write: Write, broken: str) -> None:
    files = {"flow": flow(top="import helpers\n"), "helpers": "x = 1\n"}
    path = write(**{**files, broken: "x = 1\ny = (2\n"})

    with pytest.raises(WorkflowFileError) as caught:
        load(path.with_name("flow.py"))

    assert f"{broken}.py:2: SyntaxError: '(' was never closed" in caught.value.message
    assert "    y = (2\n" in caught.value.message
    assert "        ^" in caught.value.message


def test_a_syntax_error_in_a_late_import_is_found_too(write: Write) -> None:
    with pytest.raises(WorkflowFileError, match=r"late\.py:1: SyntaxError"):
        load(write(flow=flow(top="def f():\n    import late\n"), late="y = (\n"))


def test_an_exception_is_shown_at_the_authors_line(write: Write) -> None:
    path = write(flow=flow(top="import helpers\n"), helpers="import json\n\nx = json.loads('{')\n")

    with pytest.raises(WorkflowFileError, match=r"helpers\.py:3: JSONDecodeError: Expecting") as caught:
        load(path)

    assert (caught.value.data["file"], caught.value.data["line"]) == (str(path.with_name("helpers.py")), 3)
    assert "helpers" not in sys.modules


@pytest.mark.parametrize(
    ("top", "message"),
    [
        ("import nowhere_to_be_found\n", r"flow\.py:1: ModuleNotFoundError.*Install it"),
        ("import sys\nsys.exit(3)\n", r"flow\.py:2: SystemExit: 3\. The file must not exit"),
    ],
)
def test_common_import_failures_say_what_to_do(write: Write, top: str, message: str) -> None:
    with pytest.raises(WorkflowFileError, match=message):
        load(write(flow=flow(top=top)))


def test_errors_of_elements_come_through(write: Write) -> None:
    with pytest.raises(InvalidElement):
        load(write(flow="from smithers import Task\nTask('a', output=int)\n"))


@pytest.mark.feature("common.builder-export", "workflow.root")
@pytest.mark.feature("err.WORKFLOW_MISSING_DEFAULT")
def test_none_and_several_workflows_are_errors_that_name_them(write: Write) -> None:
    second = "\n@workflow\ndef land(ctx):\n    return None\n"

    with pytest.raises(WorkflowFileError, match=r"has no workflow: write @workflow") as caught:
        load(write(empty="x = 1\n"))
    assert caught.value.wire()["code"] == "WORKFLOW_MISSING_DEFAULT"
    with pytest.raises(WorkflowFileError, match=r"2 workflows: ship \(line 1\d\), land \(line \d+\)"):
        load(write(flow=flow() + second))


def test_an_imported_workflow_counts_only_if_there_is_no_own_one(write: Write) -> None:
    own = load(write(flow=flow(top="from other import land\n"), other=OTHER))
    only = load(write(only="from other import land\n"))

    assert (own.workflow.name, only.workflow.name) == ("ship", "land")


OTHER = "from smithers import workflow\n\n@workflow\ndef land(ctx):\n    return None\n"


def test_a_copy_of_a_package_can_be_loaded(write: Write, tmp_path: Path) -> None:
    code = load(write(pkg__flow=flow(top="from . import helpers\n"), pkg__helpers="x = 1\n", **{"pkg/__init__.py": ""}))
    write(pkg__helpers="x = 2\n")

    copied = load(code.home(tmp_path / "copies"))

    assert copied.digest == code.digest
    assert copied.resolve("pkg.helpers:x") == 1


def test_home_is_the_original_until_it_changes_and_then_a_copy(write: Write, tmp_path: Path) -> None:
    code = load(write(src__flow=flow(top="import helpers\n"), src__helpers="x = 1\n"))
    unchanged = code.home(tmp_path / "copies")
    write(src__helpers="x = 2\n")

    copy = code.home(tmp_path / "copies")

    assert unchanged == code.source
    assert load(copy).digest == code.digest
    assert code.home(tmp_path / "copies") == copy


def test_a_new_prompt_makes_the_original_another_code(write: Write, tmp_path: Path) -> None:
    code = load(write(flow=flow()))
    write(**{"prompts/new.md": "New."})

    assert code.home(tmp_path / "copies") != code.source
