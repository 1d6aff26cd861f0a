"""Tracks are found by name or path, and a name that is none says what to do."""

from pathlib import Path

import numpy as np
import pytest

from racer import resources as shipped
from racer.errors import UsageError
from racer.files import make_folder
from racer.track import (
    Track,
    available_tracks,
    find_track,
    library,
    load_track,
    route,
    track_entries,
    world_of_direction,
)


def complaint(track: object, home: Path) -> str:
    with pytest.raises(UsageError) as error:
        load_track(track, home=home)  # type: ignore[arg-type]
    return str(error.value)


def test_names_are_the_shipped_tracks_then_the_users_own(tmp_path: Path) -> None:
    before = available_tracks(home=tmp_path)
    route.save_route(load_track("oval"), tmp_path / "garage.npy")
    library.import_track(tmp_path / "garage.npy", home=tmp_path)
    assert available_tracks(home=tmp_path) == [*before, "garage"]
    assert {entry.provenance for entry in track_entries(home=tmp_path)} == {"shipped", "imported"}


def test_a_path_is_as_good_as_a_name(tmp_path: Path) -> None:
    oval = load_track("oval", home=tmp_path)
    path = route.save_route(oval, tmp_path / "mine.npy")
    toml = shipped.tracks_folder() / "oval.toml"
    for place in (path, str(path), str(path).encode(), toml, str(toml)):
        track = load_track(place, home=tmp_path)
        np.testing.assert_array_equal(track.center, oval.center)
    assert (load_track(path).name, load_track(toml).name) == ("mine", "oval")


def test_an_imported_layout_goes_by_the_name_it_was_given(tmp_path: Path) -> None:
    entry = library.import_track(
        shipped.tracks_folder() / "oval.toml", home=tmp_path, name="my_oval"
    )
    assert (entry.name, entry.provenance, load_track("my_oval", home=tmp_path).name) == (
        "my_oval",
        "imported",
        "my_oval",
    )


def test_a_name_is_imported_once_unless_replaced(tmp_path: Path) -> None:
    toml, npy = (
        shipped.tracks_folder() / "clover.toml",
        route.save_route(load_track("oval"), tmp_path / "x.npy"),
    )
    library.import_track(toml, home=tmp_path, name="x")
    with pytest.raises(
        UsageError,
        match="there is an imported track 'x' already: choose another name, or --replace it",
    ):
        library.import_track(npy, home=tmp_path)
    library.import_track(npy, home=tmp_path, replace=True)
    assert [entry.path.name for entry in track_entries(home=tmp_path) if entry.name == "x"] == [
        "x.npy"
    ]
    assert not (library.imported_folder(tmp_path) / "x.toml").exists()
    assert load_track("x", home=tmp_path).length == pytest.approx(load_track("oval").length)


def test_what_cannot_be_raced_is_not_imported(tmp_path: Path) -> None:
    (tmp_path / "bad.npy").write_text("no")
    with pytest.raises(UsageError, match=r"this is not a \.npy file"):
        library.import_track(tmp_path / "bad.npy", home=tmp_path)
    assert not library.imported_folder(tmp_path).exists()


@pytest.mark.parametrize("name", ["oval", "../oval", "a b", "", "x.npy", ".hidden"])
def test_unsafe_and_taken_names_are_refused(tmp_path: Path, name: str) -> None:
    path = route.save_route(
        load_track("clover"), tmp_path / (name if name == "oval" else "oval.npy")
    )
    with pytest.raises(UsageError):
        library.import_track(
            path if path.suffix else tmp_path / "oval.npy", home=tmp_path, name=name
        )


def test_unknown_names_get_the_nearest_known_one(tmp_path: Path) -> None:
    said = complaint("reinvent_2081", tmp_path)
    assert (
        said == "unknown track 'reinvent_2081': did you mean 'reinvent_2018'? (racer tracks list)"
    )
    assert complaint("xyzzy", tmp_path) == "unknown track 'xyzzy' (racer tracks list)"
    assert complaint("  ", tmp_path) == "the name of the track is empty (racer tracks list)"
    assert (
        complaint("Aragon", tmp_path)
        == "the route 'Aragon' is not here yet: racer tracks fetch Aragon"
    )


@pytest.mark.parametrize(
    ("track", "clockwise", "world"),
    [
        ("reinvent_base", True, "reinvent_base_cw"),
        ("reinvent_base", False, "reinvent_base_ccw"),
        (Path("routes/Spain_track.npy"), True, "routes/Spain_track_cw.npy"),
    ],
)
def test_a_direction_is_a_world_of_its_own(track: str | Path, clockwise: bool, world: str) -> None:
    assert world_of_direction(track, clockwise) == world


def test_paths_that_are_no_track_are_refused(tmp_path: Path) -> None:
    (tmp_path / "track.pdf").touch()
    (tmp_path / "folder.npy").mkdir()
    assert complaint(tmp_path / "track.pdf", tmp_path).endswith(
        "a track is a .toml file (straights and arcs) or a .npy file (a route)"
    )
    assert complaint(str(tmp_path / "folder.npy"), tmp_path).endswith(
        "this is a folder; a track is a .toml or .npy file"
    )
    assert complaint("absent.npy", tmp_path) == "absent.npy: there is no such file"


def test_a_reconstruction_stands_in_for_a_world_and_says_so(tmp_path: Path) -> None:
    assert find_track("reinvent_base", home=tmp_path).name == "reinvent_2018"
    with pytest.warns(
        UserWarning, match=r"reinvent_base is not here: taking reinvent_2018, a reconstruction"
    ):
        assert load_track("reinvent_base", home=tmp_path).name == "reinvent_2018"


def test_the_real_route_goes_before_its_reconstruction(tmp_path: Path) -> None:
    path = route.save_route(load_track("clover"), tmp_path / "reinvent_base.npy")
    library.import_track(path, home=tmp_path)
    assert find_track("reinvent_base", home=tmp_path).provenance == "imported"
    assert load_track("reinvent_base", home=tmp_path).name == "reinvent_base"


def test_stray_files_among_the_users_tracks_are_not_listed(tmp_path: Path) -> None:
    folder = make_folder(library.imported_folder(tmp_path))
    for name in ("notes.txt", ".half.npy", "first_use.txt"):
        (folder / name).touch()
    assert available_tracks(home=tmp_path) == available_tracks(home=tmp_path / "empty")


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot make the folder"):
        library.import_track(
            shipped.tracks_folder() / "oval.toml", home=tmp_path / "file", name="x"
        )


def test_users_have_a_home_without_being_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RACER_HOME", raising=False)
    assert library.user_home().name == "racer"
    assert isinstance(load_track("oval"), Track)


def test_the_environment_names_another_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RACER_HOME", str(tmp_path))
    assert library.user_home() == tmp_path
