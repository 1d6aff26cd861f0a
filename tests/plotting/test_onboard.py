"""The car's own view beside the map."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from racer.analysis import laps
from racer.logs.to_state import rows
from racer.plotting.animation import animate
from racer.plotting.onboard import SIZE, commands, frames


def test_the_animation_shows_what_the_car_saw(ring, drive, tmp_path: Path) -> None:
    trace = drive(episodes=1, step=1.0)
    table = laps(trace)
    seen = frames(rows(trace, ring), None, [ring])
    assert seen.shape == (len(trace), SIZE[1], SIZE[0], 3)
    road = seen[3, -40:, SIZE[0] // 2 - 120 : SIZE[0] // 2 - 60].reshape(-1, 3).mean(axis=0)
    assert np.ptp(road) < 60, "the road before the car is gray"
    assert seen[3, SIZE[1] // 2].std() > 5.0, "and there is more to see"
    animate(trace, table, tmp_path / "plain.gif", ring, width=300)
    animate(trace, table, tmp_path / "both.gif", ring, width=300, onboard=seen)
    with Image.open(tmp_path / "plain.gif") as plain, Image.open(tmp_path / "both.gif") as both:
        assert both.n_frames == plain.n_frames == len(trace)
        assert both.width > plain.width + SIZE[0]
        both.seek(3)
        shown = np.asarray(both.convert("RGB"))[:, plain.width : plain.width + SIZE[0]]
    top = (shown.shape[0] - SIZE[1] - 30) // 2
    off = np.abs(shown[top : top + SIZE[1]].astype(float) - seen[3])
    assert np.median(off) < 8.0, "the colors of a GIF are few, but near"
    assert commands(trace, table)[1].startswith("steering +25°   speed 1.0 m/s")
