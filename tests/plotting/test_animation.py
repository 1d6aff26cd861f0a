"""Laps as moving pictures, and the car's own view beside the map."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from racer.analysis import laps
from racer.errors import UsageError, install_command
from racer.logs.to_state import state_rows
from racer.plotting import animation
from racer.plotting.animation import FRAME_SIZE_PX, animate_laps, command_captions, onboard_frames
from racer.plotting.ghosts import GHOST_COLORS


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
    for color in GHOST_COLORS[:2]:
        assert tuple(int(color[k : k + 2], 16) for k in (1, 3, 5)) in shown


def test_an_mp4_is_written_where_the_encoder_is(ring, drive, tmp_path: Path) -> None:
    pytest.importorskip("imageio_ffmpeg")
    trace = drive(episodes=1, step=0.6)
    path = animation.animate_laps(trace, laps(trace), tmp_path / "a.mp4", ring, width=240)
    assert path.read_bytes()[4:8] == b"ftyp"


def test_a_missing_encoder_is_named_with_its_command(drive, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    trace = drive(episodes=1)
    with pytest.raises(UsageError, match=re.escape(install_command("video"))):
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


@pytest.mark.slow
def test_the_animation_shows_what_the_car_saw(ring, drive, tmp_path: Path) -> None:
    trace = drive(episodes=1, step=1.0)
    table = laps(trace)
    frames = onboard_frames(state_rows(trace, ring), None, [ring])
    assert frames.shape == (len(trace), FRAME_SIZE_PX[1], FRAME_SIZE_PX[0], 3)
    road = (
        frames[3, -40:, FRAME_SIZE_PX[0] // 2 - 120 : FRAME_SIZE_PX[0] // 2 - 60]
        .reshape(-1, 3)
        .mean(axis=0)
    )
    assert np.ptp(road) < 60, "the road before the car is gray"
    assert frames[3, FRAME_SIZE_PX[1] // 2].std() > 5.0, "and there is more to see"
    animate_laps(trace, table, tmp_path / "plain.gif", ring, width=300)
    animate_laps(trace, table, tmp_path / "both.gif", ring, width=300, onboard=frames)
    with Image.open(tmp_path / "plain.gif") as plain, Image.open(tmp_path / "both.gif") as both:
        assert both.n_frames == plain.n_frames == len(trace)
        assert both.width > plain.width + FRAME_SIZE_PX[0]
        both.seek(3)
        shown = np.asarray(both.convert("RGB"))[:, plain.width : plain.width + FRAME_SIZE_PX[0]]
    top = (shown.shape[0] - FRAME_SIZE_PX[1] - 30) // 2
    difference = np.abs(shown[top : top + FRAME_SIZE_PX[1]].astype(float) - frames[3])
    assert np.median(difference) < 8.0, "the colors of a GIF are few, but near"
    assert command_captions(trace, table)[1].startswith("steering +25°   speed 1.0 m/s")
