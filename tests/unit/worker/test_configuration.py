"""The project's configuration: what counts, where it comes from, and what is refused with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from smithers.errors import InputError
from smithers.project import Project, find_project
from smithers.worker.configuration import VARIABLES, Configuration, Effective, configured
from smithers.worker.new_run import with_defaults
from smithers.worker.settings import WorkerSettings

WHOLE = """
# what a project may say
[worker]
slots = 20
burst_s = 0.5

[runs]
max_in_flight = 7

[notices]
command = "tell"
[retention]
older_than = "30d"
statuses = ["finished"]
[secrets]
provider = "file"
file = "secrets.env"
"""


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


def read(folder: Path, text: str = "", variables: dict[str, str] | None = None) -> Effective:
    if text:
        (folder / "smithers.toml").write_text(text)
    return configured(Project(folder), variables or {})


def test_without_a_file_everything_is_a_default(tmp_path: Path) -> None:
    found = read(tmp_path)

    assert found.values == Configuration()
    assert {origin for _, _, origin in found.settings()} == {"default"}
    assert WorkerSettings.of(Project(tmp_path)) == WorkerSettings()


def test_each_value_says_where_it_comes_from(tmp_path: Path) -> None:
    found = read(tmp_path, WHOLE, {"SMITHERS_BURST_S": "2", "SMITHERS_NOTICE_URL": "http://x"})

    told = {path: (value, origin) for path, value, origin in found.settings()}
    assert told["worker.slots"] == (20, "smithers.toml:4")
    assert told["worker.burst_s"] == (2.0, "SMITHERS_BURST_S")
    assert told["worker.render_s"] == (10.0, "default")
    assert told["notices.url"] == ("http://x", "SMITHERS_NOTICE_URL")
    assert told["retention.statuses"] == (["finished"], "smithers.toml:14")
    assert told["secrets.file"] == ("secrets.env", "smithers.toml:17")


def test_pyproject_holds_the_same_under_its_own_table(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "x"\n[tool.smithers.worker]\nslots = 3\n')

    found = read(tmp_path)

    assert found.values.worker.slots == 3
    assert found.origins == {"worker.slots": "pyproject.toml:4"}
    with pytest.raises(InputError, match=r"smithers\.toml and .*pyproject\.toml:3 both configure"):
        read(tmp_path, WHOLE)


def test_a_pyproject_without_a_table_is_none_of_ours(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "x"\n')

    assert read(tmp_path, WHOLE).values.worker.slots == 20


@pytest.mark.parametrize(("text", "says"), [
    ("[worker]\n\nslotz = 3", r"smithers.toml:3: there is no setting 'worker.slotz'. Did you mean 'slots'\?"),
    ("[workers]\nslots = 3", r"smithers.toml:1: there is no setting 'workers'. Did you mean 'worker'\?"),
    ("[runs]\nxyz = 3", r"smithers.toml:2: there is no setting 'runs.xyz'. Known: max_in_flight"),
    ("[runs]\nmax_in_flight = 0", r"smithers.toml:2: runs.max_in_flight = 0 cannot be"),
    ("[worker]\nslots = true", r"smithers.toml:2: worker.slots = True cannot be"),
    ("[worker]\nslots = '3'", r"smithers.toml:2 is not a number \(worker.slots\)"),
    ("[queues]\nd = 0", r"smithers.toml:2: queues.d = 0 cannot be"),
    ("[queues]\nd = 'x'", r"smithers.toml:2 is not a number \(queues.d\)"),
    ("[queues]\n'' = 2", r"smithers.toml:\d: queues. = '' cannot be: a queue's name has 1 to 100 letters"),
    ("worker = 3", r"smithers.toml:1: worker = 3 cannot be"),
    ("[retention]\nolder_than = 'soon'", r"smithers.toml:2: retention.older_than = 'soon' cannot be: .*not a duration"),
    ("[retention]\nstatuses = ['running']", r"smithers.toml:2: retention.statuses = 'running' cannot be"),
    ("[secrets]\nprovider = 'vault'", r"smithers.toml:2: secrets.provider = 'vault' cannot be: .*'env' or 'file'"),
    ("[notices]\nurl = 'here'", r"smithers.toml:2: notices.url = 'here' cannot be: .*valid URL"),
    ("[notices]\nurl = 'file:///x'", r"smithers.toml:2: notices.url = 'file:///x' cannot be: .*'http' or 'https'"),
    ("[worker]\nslots = ", r"smithers.toml:2: this is not TOML"),
])  # fmt: skip
def test_what_cannot_be_is_refused_with_its_line(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        read(tmp_path, text)


def test_a_variable_that_cannot_be_is_refused_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"SMITHERS_SLOTS='many' is not a number \(worker.slots\)"):
        read(tmp_path, WHOLE, {"SMITHERS_SLOTS": "many"})
    with pytest.raises(InputError, match=r"SMITHERS_SLOTS='0': worker.slots = 0 cannot be"):
        read(tmp_path, WHOLE, {"SMITHERS_SLOTS": "0"})
    with pytest.raises(InputError, match=r"SMITHERS_NOTICE_EVENTS='maybe' is neither true nor false"):
        read(tmp_path, WHOLE, {"SMITHERS_NOTICE_EVENTS": "maybe"})


def test_an_option_goes_before_what_the_project_says(tmp_path: Path) -> None:
    project = Project(tmp_path)
    assert with_defaults(project, {}) == {}
    (tmp_path / "smithers.toml").write_text(WHOLE)

    assert with_defaults(project, {}) == {"max_in_flight": 7}
    assert with_defaults(project, {"max_in_flight": 2}) == {"max_in_flight": 2}


def test_the_limits_of_queues_are_kept_with_a_new_run(tmp_path: Path) -> None:
    (tmp_path / "smithers.toml").write_text('[queues]\ndeploys = 2\n"to the shop" = 1\n')

    assert with_defaults(Project(tmp_path), {}) == {"queues": {"deploys": 2, "to the shop": 1}}
    assert read(tmp_path).origins == {"queues.deploys": "smithers.toml:2", "queues.to the shop": "smithers.toml:3"}


def test_a_configuration_file_marks_a_project(tmp_path: Path) -> None:
    (tmp_path / "smithers.toml").touch()
    (tmp_path / "a" / "b").mkdir(parents=True)

    assert find_project(tmp_path / "a" / "b").root == tmp_path.resolve()
