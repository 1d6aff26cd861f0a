"""Route files are read as the simulator reads them, and what is no route is refused."""

import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from racer.errors import UsageError
from racer.track import load_track, route

ANGLE = np.linspace(0, 2 * np.pi, 41)
RING = np.hstack(
    [radius * np.column_stack([np.cos(ANGLE), np.sin(ANGLE)]) for radius in (2.0, 1.7, 2.3)]
)
RING[-1] = RING[0]


def complaint(path: Path) -> str:
    with pytest.raises(UsageError) as error:
        route.load_route(path)
    return str(error.value).replace(str(path), path.name)


def saved(folder: Path, rows: object) -> Path:
    np.save(folder / "road.npy", rows, allow_pickle=True)  # type: ignore[arg-type]
    return folder / "road.npy"


@pytest.mark.parametrize("name", ["reinvent_2018", "european_seaside"])
def test_saving_and_loading_gives_the_same_road(tmp_path: Path, name: str) -> None:
    track = load_track(name)
    again = route.load_route(route.save_route(track, tmp_path / "road.npy"))
    for line in ("center", "inner", "outer"):
        np.testing.assert_array_equal(getattr(again, line), getattr(track, line))
    assert again.is_loop
    assert [path.name for path in tmp_path.iterdir()] == ["road.npy"]


@given(arrays(float, (6, 6), elements=st.floats(-1e6, 1e6), unique=True))
def test_any_rows_survive_the_round_trip(rows: np.ndarray) -> None:
    track = route.track_from_rows(rows, "any", keep_seam=True)
    np.testing.assert_array_equal(np.hstack([track.center, track.inner, track.outer]), rows)


def test_a_route_is_a_loop_only_if_its_first_row_is_repeated_exactly() -> None:
    assert route.track_from_rows(RING, "ring").is_loop
    nearly = RING.copy()
    nearly[-1, 0] += 1e-12
    assert not route.track_from_rows(nearly, "nearly").is_loop
    assert not route.track_from_rows(RING[:-1], "open").is_loop


def test_duplicated_rows_are_removed_unless_an_old_log_needs_them(tmp_path: Path) -> None:
    path = saved(tmp_path, np.insert(RING, 17, RING[17], axis=0))
    assert len(route.load_route(path).center) == len(RING)
    assert len(route.load_route(path, keep_seam=True).center) == len(RING) + 1


def test_the_closing_row_survives_a_seam_at_the_end() -> None:
    doubled = np.insert(RING, len(RING) - 1, RING[-1], axis=0)
    track = route.track_from_rows(doubled, "ring")
    assert track.is_loop
    assert len(track.center) == len(RING)
    assert (np.hypot(*np.diff(track.center, axis=0).T) > route.SEAM_M).all()


def test_whole_numbers_are_numbers(tmp_path: Path) -> None:
    rows = np.round(RING * 100).astype(np.int32)
    assert route.load_route(saved(tmp_path, rows), keep_seam=True).center.dtype == np.float64


BAD_ROWS = {
    "a route has N rows by 6 columns (center x y, inner x y, outer x y), this array is 41 x 4": RING[
        :, :4
    ],
    "a route has N rows by 6 columns (center x y, inner x y, outer x y), this array is 246": RING.ravel(),
    "a route has N rows by 6 columns (center x y, inner x y, outer x y), this array is a single number": np.float64(
        3
    ),
    "a route holds real numbers, this array holds complex128": RING.astype(complex),
    "a route holds real numbers, this array holds <U5": np.full((5, 6), "1.0 m"),
    "row 3, counted from 0, holds a number that is not finite (2 such rows)": np.where(
        np.isin(np.arange(41), (3, 9))[:, None], np.nan, RING
    ),
    "only 3 different rows: a loop needs at least 3 and the closing row, an open road 2": RING[
        [0, 5, 0]
    ],
    "only 1 different rows: a loop needs at least 3 and the closing row, an open road 2": np.ones(
        (9, 6)
    ),
    "the center line ends where it begins but a border ends 1 m from its start: repeat the first row "
    "at the end (numpy: rows[-1] = rows[0])": np.vstack([RING[:-1], RING[-1] + [0, 0, 0, 0, 0, 1]]),
    "holds the coordinate 1e+13: routes are in meters": np.where(np.eye(41, 6) > 0, 1e13, RING),
    "a route of 60,001 rows: up to 60,000 are read, one every few centimeters is plenty; thin it out "
    "(numpy: rows[::11], and the last row)": np.zeros((60_001, 6)),
}


@pytest.mark.parametrize("sentence", BAD_ROWS)
def test_arrays_that_are_no_route_are_refused(tmp_path: Path, sentence: str) -> None:
    assert complaint(saved(tmp_path, BAD_ROWS[sentence])) == f"road.npy: {sentence}"


def test_a_small_gap_of_a_border_at_the_seam_is_closed_and_said(tmp_path: Path) -> None:
    rows = RING.copy()
    rows[-1, 2] += 0.002
    rows[-1, 5] -= 0.049
    track = route.load_route(saved(tmp_path, rows))
    assert track.is_loop
    np.testing.assert_array_equal(track.inner[-1], track.inner[0])
    np.testing.assert_array_equal(track.outer[-1], track.outer[0])
    assert track.note == "a border ended 49 mm from its start: closed"
    assert route.load_route(saved(tmp_path, RING)).note == ""
    with pytest.warns(UserWarning, match="a border ended 49 mm from its start: closed"):
        load_track(saved(tmp_path, rows))


def test_an_array_without_rows_is_refused() -> None:
    with pytest.raises(UsageError, match="the array has no rows"):
        route.track_from_rows(np.empty((0, 6)), "none")


def test_a_pickle_is_never_opened(tmp_path: Path) -> None:
    said = complaint(saved(tmp_path, np.array([[{}] * 6] * 5, dtype=object)))
    assert (
        said
        == "road.npy: holds Python objects, which could run code when read; save plain numbers instead"
    )


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    whole = saved(tmp_path, RING).read_bytes()
    cut = tmp_path / "cut.npy"
    for length in (8, 40, 128, len(whole) - 1):
        cut.write_bytes(whole[:length])
        assert complaint(cut) == "cut.npy: the .npy file is damaged or cut short; get it again"
    cut.write_bytes(whole.replace(b"(41, 6)", b"(10**99, 6)"[:7]))
    assert complaint(cut).startswith("cut.npy: ")


def test_a_header_that_promises_terabytes_allocates_nothing(tmp_path: Path) -> None:
    huge = tmp_path / "huge.npy"
    whole = saved(tmp_path, RING).read_bytes()
    huge.write_bytes(whole.replace(b"(41, 6), }        ", b"(41000000000, 6), }"[:18]))
    assert complaint(huge) == "huge.npy: the .npy file is damaged or cut short; get it again"


def test_files_of_another_kind_are_refused(tmp_path: Path) -> None:
    text, empty, archive = (tmp_path / name for name in ("text.npy", "empty.npy", "archive.npy"))
    text.write_text("0.1 0.2 0.3 0.4 0.5 0.6\n")
    empty.touch()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("a.npy", "")
    assert complaint(text).startswith("text.npy: this is not a .npy file")
    assert complaint(empty).startswith("empty.npy: the file is empty")
    assert complaint(archive).startswith(
        "archive.npy: this is a .npz or zip archive, not a .npy file"
    )
    assert complaint(tmp_path / "absent.npy") == "absent.npy: there is no such file"
    assert complaint(tmp_path).endswith(": cannot be read (Is a directory)")


def test_writing_makes_the_folder_where_it_can(tmp_path: Path) -> None:
    route.save_route(load_track("oval"), tmp_path / "new" / "road.npy")
    (tmp_path / "file").touch()
    with pytest.raises(
        UsageError, match=r"cannot write .*road\.npy: (File exists|Not a directory)"
    ):
        route.save_route(load_track("oval"), tmp_path / "file" / "road.npy")


def test_a_failed_write_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "road.npy").mkdir()
    with pytest.raises(UsageError, match=r"cannot write .*road\.npy: Is a directory"):
        route.save_route(load_track("oval"), tmp_path / "road.npy")
    assert [path.name for path in tmp_path.iterdir()] == ["road.npy"]


def test_every_real_route_loads_with_the_measured_facts(
    real_routes: Path, real_table: dict[str, dict[str, str]]
) -> None:
    paths = sorted(real_routes.rglob("*.npy"))
    assert len(paths) > 100
    for path in paths:
        track, old = route.load_route(path), route.load_route(path, keep_seam=True)
        facts = real_table.get(path.stem)
        if facts and path.parent == real_routes:
            assert len(old.center) == int(facts["rows_in_file"]), path.stem
            assert len(track.center) == int(facts["rows_after_sanitise"]), path.stem
            assert track.length == pytest.approx(float(facts["length_m"]), abs=1e-4)
            assert track.is_loop == (facts["type"] == "loop")
            assert not track.is_loop or track.is_ccw == (facts["direction"] == "ccw")
            assert np.median(track.width) == pytest.approx(
                float(facts["local_width_med"]), abs=1e-4
            )
