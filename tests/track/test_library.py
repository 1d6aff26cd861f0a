"""Tracks are found by name or path, and a name that is none says what to do."""

from pathlib import Path

import numpy as np
import pytest

from racer import resources as shipped
from racer.errors import UsageError
from racer.track import Track, entries, find, library, load, names, route


def complaint(track: object, home: Path) -> str:
    with pytest.raises(UsageError) as error:
        load(track, home=home)  # type: ignore[arg-type]
    return str(error.value)


def test_names_are_the_shipped_tracks_then_the_users_own(tmp_path: Path) -> None:
    before = names(home=tmp_path)
    route.save(load("oval"), tmp_path / "garage.npy")
    library.add(tmp_path / "garage.npy", home=tmp_path)
    assert names(home=tmp_path) == [*before, "garage"]
    assert {entry.provenance for entry in entries(home=tmp_path)} == {"shipped", "imported"}


def test_a_path_is_as_good_as_a_name(tmp_path: Path) -> None:
    oval = load("oval", home=tmp_path)
    path = route.save(oval, tmp_path / "mine.npy")
    toml = shipped.tracks() / "oval.toml"
    for place in (path, str(path), str(path).encode(), toml, str(toml)):
        track = load(place, home=tmp_path)
        np.testing.assert_array_equal(track.center, oval.center)
    assert (load(path).name, load(toml).name) == ("mine", "oval")


def test_an_imported_layout_goes_by_the_name_it_was_given(tmp_path: Path) -> None:
    entry = library.add(shipped.tracks() / "oval.toml", home=tmp_path, name="my_oval")
    assert (entry.name, entry.provenance, load("my_oval", home=tmp_path).name) == (
        "my_oval",
        "imported",
        "my_oval",
    )


def test_a_name_is_imported_once_unless_replaced(tmp_path: Path) -> None:
    toml, npy = shipped.tracks() / "clover.toml", route.save(load("oval"), tmp_path / "x.npy")
    library.add(toml, home=tmp_path, name="x")
    with pytest.raises(
        UsageError,
        match="there is an imported track 'x' already: choose another name, or --replace it",
    ):
        library.add(npy, home=tmp_path)
    library.add(npy, home=tmp_path, replace=True)
    assert [entry.path.name for entry in entries(home=tmp_path) if entry.name == "x"] == ["x.npy"]
    assert not (library.imported(tmp_path) / "x.toml").exists()
    assert load("x", home=tmp_path).length == pytest.approx(load("oval").length)


def test_what_cannot_be_raced_is_not_imported(tmp_path: Path) -> None:
    (tmp_path / "bad.npy").write_text("no")
    with pytest.raises(UsageError, match=r"this is not a \.npy file"):
        library.add(tmp_path / "bad.npy", home=tmp_path)
    assert not library.imported(tmp_path).exists()


@pytest.mark.parametrize("name", ["oval", "../oval", "a b", "", "x.npy", ".hidden"])
def test_unsafe_and_taken_names_are_refused(tmp_path: Path, name: str) -> None:
    path = route.save(load("clover"), tmp_path / (name if name == "oval" else "oval.npy"))
    with pytest.raises(UsageError):
        library.add(path if path.suffix else tmp_path / "oval.npy", home=tmp_path, name=name)


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


def test_paths_that_are_no_track_are_refused(tmp_path: Path) -> None:
    (tmp_path / "track.csv").touch()
    (tmp_path / "folder.npy").mkdir()
    assert complaint(tmp_path / "track.csv", tmp_path).endswith(
        "a track is a .toml file (straights and arcs) or a .npy file (a route)"
    )
    assert complaint(str(tmp_path / "folder.npy"), tmp_path).endswith(
        "this is a folder; a track is a .toml or .npy file"
    )
    assert complaint("absent.npy", tmp_path) == "absent.npy: there is no such file"


def test_a_reconstruction_stands_in_for_a_world_and_says_so(tmp_path: Path) -> None:
    assert find("reinvent_base", home=tmp_path).name == "reinvent_2018"
    with pytest.warns(
        UserWarning, match=r"reinvent_base is not here: taking reinvent_2018, a reconstruction"
    ):
        assert load("reinvent_base", home=tmp_path).name == "reinvent_2018"


def test_the_real_route_goes_before_its_reconstruction(tmp_path: Path) -> None:
    path = route.save(load("clover"), tmp_path / "reinvent_base.npy")
    library.add(path, home=tmp_path)
    assert find("reinvent_base", home=tmp_path).provenance == "imported"
    assert load("reinvent_base", home=tmp_path).name == "reinvent_base"


def test_stray_files_among_the_users_tracks_are_not_listed(tmp_path: Path) -> None:
    folder = library.made(library.imported(tmp_path))
    for name in ("notes.txt", ".half.npy", "first_use.txt"):
        (folder / name).touch()
    assert names(home=tmp_path) == names(home=tmp_path / "empty")


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot make the folder"):
        library.add(shipped.tracks() / "oval.toml", home=tmp_path / "file", name="x")


def test_users_have_a_home_without_being_asked() -> None:
    assert library.user_home().name == "racer"
    assert isinstance(load("oval"), Track)
