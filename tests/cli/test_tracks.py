"""`racer tracks`: what it prints, writes and refuses."""

import json
from pathlib import Path

import numpy as np
from typer.testing import CliRunner, Result

from racer.cli import tracks
from racer.errors import UsageError
from racer.track import load_track, route


def call(*words: str) -> Result:
    return CliRunner().invoke(tracks.app, list(words))


def said(*words: str) -> str:
    result = call(*words)
    assert result.exit_code == 0, result.exception
    return result.stdout


def complaint(*words: str) -> str:
    error = call(*words).exception
    assert isinstance(error, UsageError)
    return str(error)


def test_list_has_a_row_for_every_track() -> None:
    text = said("list")
    for word in ("reinvent_2018", "re:Invent 2018", "17.70", "grand_prix", "clockwise", "shipped"):
        assert word in text
    rows = json.loads(said("list", "--json"))
    assert len(rows) >= 14
    assert {row["from"] for row in rows} == {"shipped"}
    assert next(row for row in rows if row["name"] == "oval")["corners"] == 4


def test_a_broken_track_of_the_users_does_not_hide_the_others(home: Path) -> None:
    folder = home / "tracks" / "imported"
    folder.mkdir(parents=True)
    (folder / "broken.npy").write_text("no")
    row = json.loads(said("list", "--json"))[-1]
    assert row["name"] == "broken"
    assert row["title"].startswith("cannot be read: ")
    assert "broken" in said("list")


def test_show_prints_the_facts() -> None:
    text = said("show", "reinvent_2018")
    for words in (
        "17.703 m, 119 waypoints",
        "5 (4 left, 1 right)",
        "0.71 m",
        "counterclockwise",
        "x 3.060 m, y 0.680 m",
    ):
        assert words in text
    about = json.loads(said("show", "reinvent_2018", "--reverse", "--json"))
    assert (about["direction"], about["is_reversed"], about["corners_right"]) == (
        "clockwise",
        True,
        4,
    )


def test_show_draws_where_it_is_told(tmp_path: Path) -> None:
    assert said("show", "oval", "-o", "oval.png").endswith("oval.png\n")
    assert (tmp_path / "oval.png").read_bytes()[:4] == b"\x89PNG"
    json.loads(said("show", "oval", "-o", "again.png", "--json"))


def test_a_reconstruction_is_announced() -> None:
    result = call("show", "reinvent_base")
    assert result.exit_code == 0
    assert result.stderr == (
        "note: reinvent_base is not here: taking reinvent_2018, a reconstruction of it by dimensions "
        "(racer tracks fetch reinvent_base gets the real route)\n"
    )


def test_export_and_import_bring_a_track_round(tmp_path: Path) -> None:
    assert said("export", "clover", "-o", "mine.npy") == "mine.npy\n"
    assert said("import", "mine.npy") == "mine: imported from mine.npy\n"
    assert said("import", "mine.npy", "--name", "again") == "again: imported from mine.npy\n"
    np.testing.assert_array_equal(
        load_track("again", home=tmp_path / "home").center, load_track("clover").center
    )
    said("export", "clover", "-o", "back.npy", "--reverse")
    np.testing.assert_array_equal(
        route.load_route(tmp_path / "back.npy").center, load_track("clover").center[::-1]
    )


def test_a_layout_is_exported_as_a_start_for_ones_own(tmp_path: Path) -> None:
    said("export", "oval", "-o", "mine.toml")
    said("import", "mine.toml")
    assert load_track("mine", home=tmp_path / "home").length == load_track("oval").length


def test_users_mistakes_are_sentences(tmp_path: Path) -> None:
    said("export", "oval", "-o", "a.npy")
    assert (
        complaint("show", "ovl") == "unknown track 'ovl': did you mean 'oval'? (racer tracks list)"
    )
    assert complaint("export", "oval", "-o", "a.csv") == (
        "a.csv: a track is written as .npy (route) or .toml (layout), not '.csv'"
    )
    assert complaint("export", "oval", "-o", "a").endswith("not without an ending")
    assert complaint("export", "a.npy", "-o", "a.toml") == (
        "a is a route, it has no layout of straights and arcs: export it as .npy"
    )
    assert "leave --reverse out" in complaint("export", "oval", "--reverse", "-o", "a.toml")
    assert complaint("import", "a.npy", "a.npy", "--name", "x") == (
        "--name names one track, but there are 2 files: import them one by one"
    )
    assert (
        complaint("fetch")
        == "say which worlds to fetch, or --all (racer tracks fetch --list names them)"
    )
    assert complaint("fetch", "Monaco", "--address", "/tmp").startswith(
        "/tmp: routes are fetched over http"
    )


def test_fetch_lists_the_worlds_without_a_network() -> None:
    assert len(said("fetch", "--list").split()) == 127
