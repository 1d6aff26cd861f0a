"""Pictures of laps, still and moving."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.collections import LineCollection
from PIL import Image

from racer.analysis import laps, laps_by_iteration
from racer.errors import UsageError
from racer.plotting import animation, style
from racer.plotting import laps as pictures


def test_laps_are_lines_colored_by_driven_speed(ring, drive, ax) -> None:
    trace = drive(episodes=1, step=0.2)
    assert pictures.draw_laps(trace, laps(trace), ax, ring) is ax
    lines = next(item for item in ax.collections if isinstance(item, LineCollection))
    assert np.asarray(lines.get_array()).max() == pytest.approx(3.0, rel=0.01)
    assert ax.get_aspect() == 1.0
    assert ax.figure.axes[-1].get_ylabel() == "driven speed (m/s)"


def test_no_line_is_drawn_where_a_car_was_set_down(drive) -> None:
    trace = drive(episodes=1)
    trace.loc[30:, "X"] += 2.0
    segments, speed = pictures.lap_lines(trace, laps(trace))
    assert len(segments) == len(speed) == len(trace) - 2
    assert np.hypot(*(segments[:, 1] - segments[:, 0]).T).max() < 0.5


@pytest.mark.parametrize("episodes", [0, 1, 5, 60])
def test_every_number_of_laps_gives_a_picture(ring, drive, episodes: int, tmp_path: Path) -> None:
    trace = drive(episodes=max(episodes, 1), step=1.0)
    trace = trace if episodes else trace.head(0)
    table = laps(trace)
    style.save_figure(
        pictures.race_figure(trace, table, table.head(3), ring), tmp_path / "race.png", dpi=40
    )
    style.save_figure(
        pictures.race_figure(trace, table, table.head(1)), tmp_path / "unknown.png", dpi=40
    )
    style.save_figure(pictures.training_figure(table), tmp_path / "training.png", dpi=40)


def test_laps_that_were_not_completed_are_marked(drive, ax) -> None:
    pictures.draw_lap_times(laps(drive(episodes=4)), ax)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [
        "complete",
        "not completed",
    ]
    assert "40 %" in [text.get_text() for text in ax.texts]


def test_progress_shows_both_kinds_of_completion(drive, ax) -> None:
    pictures.draw_completion_by_iteration(laps_by_iteration(laps(drive(episodes=40, step=1.0))), ax)
    covered, completed = (line.get_ydata() for line in ax.lines)
    assert covered.tolist() == pytest.approx([70.0, 70.0])
    assert completed.tolist() == [50.0, 50.0]


def test_a_gif_runs_in_real_time(ring, drive, tmp_path: Path) -> None:
    trace = drive(episodes=2, step=0.6)
    table = laps(trace)
    path = animation.animate_laps(
        trace, table, tmp_path / "deep" / "a.gif", ring, names=["one"], width=240
    )
    with Image.open(path) as gif:
        assert gif.n_frames == table["steps"].max()
        total = 0
        for k in range(gif.n_frames - 1):
            gif.seek(k)
            total += gif.info["duration"]
        assert total == pytest.approx((gif.n_frames - 1) * 1000 / 15, abs=10)
    assert [entry.name for entry in path.parent.iterdir()] == ["a.gif"]
    assert path.stat().st_size < 150_000


def test_the_cars_of_a_gif_keep_their_colors(ring, drive, tmp_path: Path) -> None:
    trace = drive(episodes=2, step=0.6)
    with Image.open(
        animation.animate_laps(trace, laps(trace), tmp_path / "a.gif", ring, width=480)
    ) as gif:
        gif.seek(5)
        shown = {color for _, color in gif.convert("RGB").getcolors(100_000)}
    for color in animation.CAR_COLORS[:2]:
        assert tuple(int(color[k : k + 2], 16) for k in (1, 3, 5)) in shown


def test_an_mp4_is_written_where_the_encoder_is(ring, drive, tmp_path: Path) -> None:
    pytest.importorskip("imageio_ffmpeg")
    trace = drive(episodes=1, step=0.6)
    path = animation.animate_laps(trace, laps(trace), tmp_path / "a.mp4", ring, width=240)
    assert path.read_bytes()[4:8] == b"ftyp"


def test_a_missing_encoder_is_named_with_its_command(drive, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    trace = drive(episodes=1)
    with pytest.raises(UsageError, match=r"pip install 'racer\[video\]'"):
        animation.animate_laps(trace, laps(trace), tmp_path / "a.mp4")


@pytest.mark.parametrize(("name", "count"), [("a.avi", 1), ("a", 1), ("a.gif", 0), ("a.gif", 7)])
def test_what_cannot_be_animated_is_refused(drive, tmp_path: Path, name: str, count: int) -> None:
    trace = drive(episodes=7, step=2.0)
    with pytest.raises(UsageError, match="an animation"):
        animation.animate_laps(trace, laps(trace).head(count), tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_the_car_lies_behind_the_logged_point() -> None:
    corners = animation.car_corners(np.array([0.0, 0.0, np.pi / 2]))
    assert corners.mean(axis=0) == pytest.approx([0.0, -0.14])
    assert np.ptp(corners, axis=0) == pytest.approx([0.196, 0.324])
