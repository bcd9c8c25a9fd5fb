"""Versions of the data and of the binary."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest

from smithers.temporal.server.places import Places, write_json
from smithers.temporal.server.stamp import NewerData, Stamp, has_data, mark_of, settle, version_of


@pytest.fixture
def places(tmp_path: Path) -> Places:
    places = Places.of(tmp_path)
    places.folder.mkdir()
    places.database.write_text("data")
    return places


def program(folder: Path, version: str) -> Path:
    path = folder / "temporal"
    path.write_text(f"#!/bin/sh\necho 'temporal version 1.0.0 (Server {version}, UI 2.0.0)'\n")
    path.chmod(0o755)
    return path


def test_a_stamp_is_read_as_it_was_written(places: Places) -> None:
    stamp = Stamp("1.31.2", "binary", 17240, {"default": "30d"})
    write_json(places.stamp, asdict(stamp))

    assert Stamp.read(places) == stamp


def test_without_data_only_the_port_counts(places: Places) -> None:
    write_json(places.stamp, asdict(Stamp("1.31.2", "binary", 17240, {"default": "30d"})))
    places.database.unlink()

    assert Stamp.read(places) == Stamp(port=17240)


@pytest.mark.parametrize("content", ["", "[]", "{", '{"port": "x", "namespaces": null}', '{"namespaces": [1]}'])
def test_a_damaged_stamp_counts_as_none(places: Places, content: str) -> None:
    places.stamp.write_text(content)

    assert Stamp.read(places) == Stamp()


def test_a_known_binary_is_not_asked_again(places: Places, tmp_path: Path) -> None:
    binary = program(tmp_path, "1.31.2")
    stamp = Stamp("1.31.2", mark_of(binary))

    assert settle(stamp, places, binary) is stamp


def test_finished_data_stays(places: Places) -> None:
    assert has_data(Stamp("1.31.2", "binary"), places)
    assert places.database.exists()


def test_the_first_binary_is_noted(places: Places, tmp_path: Path) -> None:
    binary = program(tmp_path, "1.31.2")

    assert settle(Stamp(port=17240), places, binary) == Stamp("1.31.2", mark_of(binary), 17240)


def test_data_that_was_never_finished_is_set_aside(places: Places) -> None:
    assert not has_data(Stamp(), places)

    assert [path.name for path in places.folder.iterdir()] == ["temporal-unfinished.db"]


def test_newer_data_is_refused_and_stays(places: Places, tmp_path: Path) -> None:
    with pytest.raises(NewerData, match=r"server 1\.32\.0, and .* is 1\.31\.2"):
        settle(Stamp("1.32.0", "other"), places, program(tmp_path, "1.31.2"))

    assert places.database.read_text() == "data"


def test_older_data_is_set_aside_whole(places: Places, tmp_path: Path) -> None:
    (places.folder / "temporal.db-wal").write_text("rest")

    stamp = settle(Stamp("1.30.4", "other", 17240, {"default": "30d"}), places, program(tmp_path, "1.31.2"))

    assert sorted(path.name for path in places.folder.iterdir()) == ["temporal-1.30.4.db", "temporal-1.30.4.db-wal"]
    assert (stamp.server, stamp.port, stamp.namespaces) == ("1.31.2", 17240, {})


def test_a_binary_that_does_not_say_its_version_is_trusted(places: Places, tmp_path: Path) -> None:
    stamp = settle(Stamp("1.31.2", "other"), places, program(tmp_path, "unknown"))

    assert stamp.server == ""
    assert places.database.exists()


def test_a_binary_without_a_version_has_none(tmp_path: Path) -> None:
    assert version_of(Path("/bin/false")) == ""
    assert version_of(tmp_path / "nothing") == ""
