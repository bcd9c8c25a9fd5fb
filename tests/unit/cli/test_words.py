"""What people type and read: command lines, durations, inputs, trees."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from smithers.cli.argv import normalized
from smithers.cli.inputs import read_input
from smithers.cli.table import COMMANDS
from smithers.cli.views.tree import mermaid, text_tree
from smithers.errors import InputError, InvalidInput
from smithers.views.times import clock, offset, parse_span, span


@pytest.mark.feature(
    "cli.global.direct-file", "cli.global.bool-bare", "cli.global.bool-explicit", "cli.global.bool-disable"
)
@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("flow.py --input {}", "up flow.py --input {}"),
        ("up flow.py", "up flow.py"),
        ("ps --json", "ps --format=json"),
        ("--format json ps -a", "ps -a --format json"),
        ("--format=json flow.py", "up flow.py --format=json"),
        ("logs --follow false", "logs"),
        ("logs --follow true r1", "logs --follow r1"),
        ("ps --watch=false", "ps"),
        ("ps --watch=TRUE", "ps --watch"),
        ("up --resume", "up --resume=latest"),
        ("up --resume r1", "up --resume=r1"),
        ("up --resume=r1 --follow", "up --resume=r1 --follow"),
        ("up --resume flow.py", "up --resume=latest flow.py"),
        ("up flow.py --run-id r1 --resume true", "up flow.py --run-id r1 --resume=latest"),
        ("up flow.py --resume false", "up flow.py"),
        ("up --resume --no-wait", "up --resume=latest --no-wait"),
        ("approve r1 --resume", "approve r1 --resume"),
        ("doctor --redrive", "doctor --redrive-parted"),
        ("logs --redrive", "logs --redrive"),
        ("output -- --follow false", "output -- --follow false"),
        ("", ""),
    ],
)
def test_what_people_type_is_understood(typed: str, meant: str):
    assert normalized(typed.split(), COMMANDS) == meant.split()


@pytest.mark.feature("cli.global.bool-explicit")
def test_a_flags_value_is_only_taken_if_it_is_a_truth_value():
    assert normalized(["logs", "--follow", "run1"], COMMANDS) == ["logs", "--follow", "run1"]
    assert normalized(["approve", "--note", "true"], COMMANDS) == ["approve", "--note", "true"]


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0, "0.0s"),
        (240, "0.2s"),
        (41_000, "41s"),
        (200_000, "3m 20s"),
        (180_000, "3m"),
        (7_500_000, "2h 5m"),
        (349_200_000, "4d 1h"),
    ],
)
def test_durations_have_two_units_at_most(ms: int, text: str):
    assert span(ms) == text


@pytest.mark.parametrize(("text", "ms"), [("5m", 300_000), ("1.5h", 5_400_000), ("90", 90_000), ("250ms", 250)])
def test_durations_are_read(text: str, ms: int):
    assert parse_span(text, "--since") == ms


@pytest.mark.parametrize("text", ["", "m", "-5m", "five", "1e99h", "nan", "inf"])
def test_what_is_no_duration_is_refused(text: str):
    with pytest.raises(InputError, match="is not a duration"):
        parse_span(text, "--since")


def test_elapsed_times_have_the_references_forms():
    assert clock(3_725_000) == "01:02:05"
    assert offset(125_017) == "+02:05.017"


def test_input_is_read_from_text_or_file(tmp_path: Path):
    path = tmp_path / "in.json"
    path.write_text('{"name": "Änn"}', encoding="utf-8")

    assert read_input(None) == {}
    assert read_input('{"a": [1]}') == {"a": [1]}
    assert read_input(f"@{path}") == {"name": "Änn"}


def test_broken_json_is_shown_with_a_mark_below_the_place():
    with pytest.raises(InvalidInput) as caught:
        read_input('{"name": "x",\n "count": }')

    lines = caught.value.message.splitlines()
    assert lines[1].index("}") == lines[2].index("^")
    assert (caught.value.data["line"], caught.value.data["column"]) == (2, 11)


def test_a_long_broken_line_is_cut_around_the_place():
    with pytest.raises(InvalidInput) as caught:
        read_input('{"a": "' + "x" * 500 + '", }')

    lines = caught.value.message.splitlines()
    assert len(lines[1]) <= 82
    assert lines[1][lines[2].index("^")] == "}"


def test_input_that_is_nested_beyond_reason_is_refused():
    with pytest.raises(InvalidInput, match="nested too deeply"):
        read_input('{"a":' * 100_000)


TREE = {
    "kind": "workflow",
    "id": "ship",
    "children": [
        {
            "kind": "sequence",
            "id": "",
            "children": [
                {"kind": "task", "id": "plan", "label": "", "output": "Plan", "depends_on": []},
                {
                    "kind": "parallel",
                    "id": "",
                    "children": [task := {"kind": "task", "id": "a", "depends_on": ["plan"]}],
                },
                {"kind": "part", "id": "", "waits_for": "plan", "children": []},
                {"kind": "loop", "id": "polish", "max_iterations": 3, "children": [{"kind": "task", "id": "review"}]},
                {"kind": "approval", "id": "ship", "label": "Ship it?", "depends_on": []},
            ],
        }
    ],
}


@pytest.mark.feature("cli.graph.render")
def test_a_tree_is_drawn_as_text():
    assert (
        "\n".join(text_tree(TREE))
        == """\
ship (workflow)
└─ sequence
   ├─ plan [task -> Plan]
   ├─ parallel
   │  └─ a [task] after plan
   ├─ (renders when plan has an output)
   ├─ polish [loop] at most 3 times
   │  └─ review [task]
   └─ ship [approval] "Ship it?\""""
    )


def test_a_tree_is_drawn_as_a_flowchart():
    lines = mermaid(TREE)

    assert lines[0] == "flowchart TD"
    assert '  n1["plan"]' in lines
    assert "  n1 -.-> n2" in lines
    assert "  n5 -. again .-> n4" in lines
    assert '  n6{{"ship: Ship it?"}}' in lines


def test_every_command_has_a_module_whose_help_begins_as_the_table_says():
    from importlib import import_module

    for listed in COMMANDS.values():
        module = import_module(listed.module)
        every = [one.callback for one in module.app.registered_commands] if hasattr(module, "app") else [module.command]
        assert all(command.__doc__ for command in every), listed.name
        assert json.dumps(listed.help)
