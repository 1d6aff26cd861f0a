"""Tables of points, as people have them of tracks, become routes; what nobody could race on is a
sentence.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from racer.errors import UsageError
from racer.track import Track, import_track, load_track, track_facts
from racer.track.library import open_entry
from racer.track.points import TABLE_SUFFIXES

ANGLE = np.linspace(0.0, 2.0 * np.pi, 61)[:-1]
RING = 3.0 * np.column_stack([np.cos(ANGLE), np.sin(ANGLE)])  # counterclockwise, not closed
SIX = np.hstack([RING, RING * 2.6 / 3.0, RING * 3.5 / 3.0])
CLOSED = np.vstack([SIX, SIX[:1]])


def imported(
    folder: Path, name: str, text: str, *, scale: float = 1.0, width: float | None = None
) -> Track:
    """The track that a file of this text becomes."""
    path = folder / name
    path.write_text(text)
    return open_entry(import_track(path, home=folder / "home", scale=scale, width=width))


def complaint(folder: Path, name: str, text: str, width: float | None = None) -> str:
    with pytest.raises(UsageError) as error:
        imported(folder, name, text, width=width)
    return str(error.value).replace(f"{folder}/", "")


def lines_of(rows: np.ndarray, separator: str = ",", head: str = "") -> str:
    return head + "".join(separator.join(f"{x:.6f}" for x in row) + "\n" for row in rows)


def with_widths(right: float, left: float) -> np.ndarray:
    return np.hstack([RING, np.full((60, 1), right), np.full((60, 1), left)])


def assert_is_the_ring(track: Track, inner: float = 2.6, outer: float = 3.5) -> None:
    assert track.is_loop
    assert track.is_ccw
    assert np.hypot(*track.center.T) == pytest.approx(3.0, abs=1e-5)
    assert np.hypot(*track.inner.T) == pytest.approx(inner, abs=1e-5)
    assert np.hypot(*track.outer.T) == pytest.approx(outer, abs=1e-5)


HEADS = [
    ("", ","),
    ("# x_m,y_m,w_tr_right_m,w_tr_left_m\n", ","),
    ("x;y;right;left\n", ";"),
    ("X [m]\tY [m]\tRight width\tLeft width\n", "\t"),
    ("% made by a survey\n\n", " "),
]


@pytest.mark.parametrize(("head", "separator"), HEADS)
def test_a_center_line_with_widths_becomes_a_closed_road(
    tmp_path: Path, head: str, separator: str
) -> None:
    track = imported(tmp_path, "ring.csv", lines_of(with_widths(0.5, 0.4), separator, head))
    assert_is_the_ring(track)
    assert len(track.center) == 61


def test_columns_go_by_their_names_wherever_they_stand(tmp_path: Path) -> None:
    rows = with_widths(0.5, 0.4)[:, [3, 1, 0, 2]]
    rows = np.hstack([np.arange(60.0)[:, None], rows])
    text = lines_of(rows, head="s,w_tr_left_m,y_m,x_m,w_tr_right_m\n")
    assert_is_the_ring(imported(tmp_path, "ring.csv", text))


def test_driven_clockwise_the_right_side_is_the_inner_one(tmp_path: Path) -> None:
    track = imported(tmp_path, "ring.csv", lines_of(with_widths(0.5, 0.4)[::-1]))
    assert not track.is_ccw
    assert np.hypot(*track.inner.T) == pytest.approx(2.5, abs=1e-5)


def test_decimal_commas_and_a_counting_column_are_read(tmp_path: Path) -> None:
    rows = np.hstack([np.arange(60.0)[:, None], with_widths(0.5, 0.4)])
    text = lines_of(rows, ";").replace(".", ",")
    assert_is_the_ring(imported(tmp_path, "ring.csv", text))


def test_what_pandas_writes_of_an_array_is_read(tmp_path: Path) -> None:
    text = ",0,1,2,3,4,5\n" + "".join(
        f"{k}," + ",".join(map(repr, row)) + "\n" for k, row in enumerate(CLOSED.tolist())
    )
    assert_is_the_ring(imported(tmp_path, "ring.csv", text))
    text = lines_of(CLOSED, head="0,1,2,3,4,5\n")
    assert_is_the_ring(imported(tmp_path, "round.csv", text))


JSONS = [
    CLOSED.tolist(),
    {"waypoints": CLOSED.tolist()},
    [
        dict(zip(("x", "y", "w_tr_right", "w_tr_left"), row, strict=True))
        for row in with_widths(0.5, 0.4).tolist()
    ],
    {
        "center": SIX[:, :2].tolist(),
        "inner": SIX[:, 2:4].tolist(),
        "outer": SIX[:, 4:].tolist(),
        "by": "me",
    },
    {"x": RING[:, 0].tolist(), "y": RING[:, 1].tolist(), "right": 0.5, "left": [0.4] * 60},
]


@pytest.mark.parametrize("value", JSONS, ids=range(len(JSONS)))
def test_json_says_the_same_in_many_ways(tmp_path: Path, value: object) -> None:
    assert_is_the_ring(imported(tmp_path, "ring.json", json.dumps(value)))


def test_a_center_line_needs_a_width_and_millimeters_a_scale(tmp_path: Path) -> None:
    text = lines_of(1000.0 * RING)
    track_path = tmp_path / "ring.csv"
    track_path.write_text(text)
    entry = import_track(track_path, home=tmp_path / "home", scale=0.001, width=0.8)
    assert_is_the_ring(open_entry(entry), 2.6, 3.4)
    assert entry.note == "the lap ended 0.314 m from its start: closed"
    said = complaint(tmp_path, "other.csv", text)
    assert said.startswith("other.csv: holds a center line only: say how wide the road is")


def test_waypoints_that_a_log_printed_are_found(tmp_path: Path) -> None:
    points = [(x, y) for x, y in np.vstack([RING, RING[:1]]).tolist()]
    params = {"steps": 2.0, "waypoints": points, "closest_waypoints": (0, 1), "track_width": 0.8}
    log = f"Reset agent (1, 2)\n{params}\nSIM_TRACE_LOG:0,1,2.0,3.0\n"
    assert_is_the_ring(imported(tmp_path, "robomaker.log", log), 2.6, 3.4)
    arrays = f"points:\n{np.array(points)}\n"
    assert "..." not in arrays
    assert_is_the_ring(imported(tmp_path, "print.txt", arrays, width=0.8), 2.6, 3.4)


def test_an_array_of_other_columns_is_a_table_too(tmp_path: Path) -> None:
    np.save(tmp_path / "ring.npy", RING)
    entry = import_track(tmp_path / "ring.npy", home=tmp_path / "home", width=0.8)
    assert_is_the_ring(open_entry(entry), 2.6, 3.4)


def test_a_route_without_its_last_row_is_closed_and_a_whole_one_is_taken_as_it_is(
    tmp_path: Path,
) -> None:
    np.save(tmp_path / "ring.npy", SIX)
    with pytest.warns(UserWarning, match=r"the road is open, but ends 0\.314 m from its start"):
        assert not load_track(tmp_path / "ring.npy").is_loop
    entry = import_track(tmp_path / "ring.npy", home=tmp_path / "home")
    assert_is_the_ring(open_entry(entry))
    np.save(tmp_path / "whole.npy", CLOSED)
    entry = import_track(tmp_path / "whole.npy", home=tmp_path / "home")
    assert entry.note == ""
    assert entry.path.read_bytes() == (tmp_path / "whole.npy").read_bytes()


def test_an_open_road_stays_open(tmp_path: Path) -> None:
    path = tmp_path / "half.csv"
    path.write_text(lines_of(with_widths(0.5, 0.4)[:31]))
    entry = import_track(path, home=tmp_path / "home")
    assert entry.note == "the road is open: it ends 6 m from its start"
    assert not open_entry(entry).is_loop


def test_a_turn_tighter_than_half_the_road_does_not_fold_its_border(tmp_path: Path) -> None:
    angle = np.linspace(0.0, np.pi, 20)
    turn = 0.5 * np.column_stack([np.cos(angle), np.sin(angle)])
    depth = np.linspace(0.1, 4.0, 30)
    splayed = np.column_stack([0.5 + 0.5 * depth, -depth])
    hairpin = np.vstack([splayed[::-1], turn, splayed * [-1, 1]])
    track = imported(tmp_path, "hairpin.csv", lines_of(hairpin), width=1.06)
    assert np.median(track.width) == pytest.approx(1.06, abs=0.05)


EIGHT = np.column_stack([3.0 * np.sin(ANGLE), 2.0 * np.sin(2.0 * ANGLE)])
FAULTS = {
    "ring.csv: the road is 899 m wide: are these millimeters? (--scale 0.001)": 1000.0 * CLOSED,
    "ring.csv: the road is 90 m wide: are these centimeters? (--scale 0.01)": 100.0 * CLOSED,
    "ring.csv: the road is 0.009 m wide, a car is 0.2 m: is the scale right? (--scale)": CLOSED
    / 100.0,
    "ring.csv: the center line is not between the borders at 61 of 61 waypoints: are the columns in "
    "another order? They are center x y, inner x y, outer x y": CLOSED[:, [2, 3, 0, 1, 4, 5]],
    "ring.csv: the inner border goes around the outer one: the columns are center x y, inner x y, "
    "outer x y (numpy: rows[:, [0, 1, 4, 5, 2, 3]] swaps them)": CLOSED[:, [0, 1, 4, 5, 2, 3]],
    "ring.csv: the center line ends where it begins but a border ends 0.3 m from its start: repeat "
    "the first row at the end (numpy: rows[-1] = rows[0])": np.vstack(
        [SIX, SIX[0] + [0, 0, 0.3, 0, 0, 0]]
    ),
    "ring.csv: row 2, counted from 0: the road is 0.5 m wide to the right and -0.4 m to the left; is "
    "the order of the columns x, y, right, left?": np.where(
        np.arange(60)[:, None] * [0, 0, 0, 1] == 2, -0.4, with_widths(0.5, 0.4)
    ),
    "ring.csv: row 3, counted from 0, holds a number that is not finite": np.where(
        np.arange(60)[:, None] == 3, np.nan, with_widths(0.5, 0.4)
    ),
    "ring.csv: has 5 columns; a table of a track has 2 columns (center x y), 4 (center x y, width to "
    "the right, width to the left) or 6 (center x y, inner x y, outer x y), or a line of such names "
    "above": CLOSED[:, :5],
}


@pytest.mark.parametrize("sentence", FAULTS)
def test_what_nobody_could_race_on_is_a_sentence(tmp_path: Path, sentence: str) -> None:
    assert complaint(tmp_path, "ring.csv", lines_of(FAULTS[sentence])) == sentence


def test_a_road_that_crosses_itself_is_refused_with_the_place(tmp_path: Path) -> None:
    said = complaint(tmp_path, "eight.csv", lines_of(EIGHT), width=0.5)
    assert said == (
        "eight.csv: the center line crosses itself near x = 0.00, y = 0.00 m: a road cannot cross "
        "itself, or turn tighter than half its width"
    )


TEXTS = {
    "ring.csv: line 3 is no row of numbers: '1.0,up'": "0.0,0.0\n1.0,0.0\n1.0,up\n",
    "ring.csv: line 2 has 1 numbers, not 2": "0.0,0.5\n1.0\n",
    "ring.json: holds something that is no number; ": '[["a", "b"]]',
    "ring.json: names no center line; ": '{"inner": [[0, 1]], "speed": 3}',
    "ring.json: has 2 points of x and 3 of y": '{"x": [1, 2], "y": [1, 2, 3]}',
    "ring.csv: holds no rows of numbers; ": "",
    "ring.json: is not valid JSON ": "[[1, 2",
}


@pytest.mark.parametrize("sentence", TEXTS)
def test_damaged_tables_are_sentences(tmp_path: Path, sentence: str) -> None:
    name = sentence.partition(":")[0]
    assert complaint(tmp_path, name, TEXTS[sentence]).startswith(sentence)


def test_a_table_of_too_many_rows_is_refused_before_it_fills_memory(tmp_path: Path) -> None:
    said = complaint(tmp_path, "long.csv", "1.0,2.0\n" * 60_001)
    assert said.startswith("long.csv: a route of 60,001 rows: up to 60,000 are read")


@pytest.mark.parametrize("suffix", TABLE_SUFFIXES)
def test_a_table_in_the_place_of_a_track_says_how_to_import_it(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"ring{suffix}"
    path.write_text("1,2\n")
    with pytest.raises(
        UsageError, match="a table of points becomes a track by racer tracks import"
    ):
        load_track(str(path))


def test_sizes_that_make_no_road_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "ring.csv"
    path.write_text(lines_of(CLOSED))
    home = tmp_path / "home"
    for scale in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(UsageError, match="it must be a number above 0"):
            import_track(path, home=home, scale=scale)
    with pytest.raises(UsageError, match="says itself how wide the road is"):
        import_track(path, home=home, width=1.0)
    layout = tmp_path / "mine.toml"
    layout.write_text("")
    with pytest.raises(UsageError, match="a layout says its own sizes"):
        import_track(layout, home=home, scale=2.0)
    assert not home.exists()


def test_the_case_of_a_long_route_is_read(tmp_path: Path) -> None:
    angle = np.linspace(0.0, 2.0 * np.pi, 20_001)
    ring = 30.0 * np.column_stack([np.cos(angle), np.sin(angle)])
    rows = np.hstack([ring, ring * 29.5 / 30.0, ring * 30.5 / 30.0])
    rows[-1] = rows[0]
    np.save(tmp_path / "long.npy", rows)
    facts = track_facts(load_track(tmp_path / "long.npy"))
    assert facts.waypoints == 20_001
    assert facts.width_median == pytest.approx(1.0, abs=1e-3)
