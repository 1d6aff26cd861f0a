"""The car's own view beside the map."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from racer.analysis import laps
from racer.logs.to_state import state_rows
from racer.plotting.animation import animate_laps
from racer.plotting.onboard import FRAME_SIZE_PX, command_captions, onboard_frames


def test_the_animation_shows_what_the_car_saw(ring, drive, tmp_path: Path) -> None:
    trace = drive(episodes=1, step=1.0)
    table = laps(trace)
    seen = onboard_frames(state_rows(trace, ring), None, [ring])
    assert seen.shape == (len(trace), FRAME_SIZE_PX[1], FRAME_SIZE_PX[0], 3)
    road = (
        seen[3, -40:, FRAME_SIZE_PX[0] // 2 - 120 : FRAME_SIZE_PX[0] // 2 - 60]
        .reshape(-1, 3)
        .mean(axis=0)
    )
    assert np.ptp(road) < 60, "the road before the car is gray"
    assert seen[3, FRAME_SIZE_PX[1] // 2].std() > 5.0, "and there is more to see"
    animate_laps(trace, table, tmp_path / "plain.gif", ring, width=300)
    animate_laps(trace, table, tmp_path / "both.gif", ring, width=300, onboard=seen)
    with Image.open(tmp_path / "plain.gif") as plain, Image.open(tmp_path / "both.gif") as both:
        assert both.n_frames == plain.n_frames == len(trace)
        assert both.width > plain.width + FRAME_SIZE_PX[0]
        both.seek(3)
        shown = np.asarray(both.convert("RGB"))[:, plain.width : plain.width + FRAME_SIZE_PX[0]]
    top = (shown.shape[0] - FRAME_SIZE_PX[1] - 30) // 2
    off = np.abs(shown[top : top + FRAME_SIZE_PX[1]].astype(float) - seen[3])
    assert np.median(off) < 8.0, "the colors of a GIF are few, but near"
    assert command_captions(trace, table)[1].startswith("steering +25°   speed 1.0 m/s")
