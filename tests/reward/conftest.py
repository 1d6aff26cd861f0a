"""Params of cars that are really placed on a track, and reward files written on the spot."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any

import numpy as np
import pytest

from racer import track
from racer.params import params
from racer.reward import RewardBatch, load
from racer.sim.start import begin
from racer.sim.step import place
from racer.track.record import Track
from racer.track.road import pack

HOSTILE = Path(__file__).parents[1] / "data" / "rewards"


@pytest.fixture(scope="session")
def hostile() -> Path:
    """The folder of reward files that misbehave."""
    return HOSTILE


@pytest.fixture(scope="session")
def situations() -> Callable[..., list[dict[str, Any]]]:
    """A function that gives params of `n` cars spread over a track, on and off the road, in all directions."""
    return _situations


def _situations(n: int = 64, road: Track | None = None, steps: int | None = None) -> list[dict[str, Any]]:
    tracks = [road or track.load("oval")]
    rng = np.random.default_rng(n)
    roads = pack(tracks)
    rows = begin(tracks, roads, np.zeros(n, np.int32), np.arange(n) / n)
    rows["x"] += rng.normal(0.0, 0.15, n)
    rows["y"] += rng.normal(0.0, 0.15, n)
    rows["yaw"] = (rows["yaw"] + rng.normal(0.0, 0.5, n) + np.pi) % (2.0 * np.pi) - np.pi
    rows["steer_command_deg"], rows["speed_command"] = rng.uniform(-30, 30, n), rng.uniform(0.1, 4.0, n)
    rows = place(rows, roads)
    rows["steps"] = np.arange(2, n + 2) if steps is None else steps
    return [dict(p) for p in params(rows, tracks)]


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., RewardBatch]:
    """A function that writes a reward file and gives a batch of `n` instances of it."""

    def write(source: str, n: int = 3, name: str = "reward.py", **options: Any) -> RewardBatch:
        path = tmp_path / name
        path.write_text(dedent(source))
        return RewardBatch(load(path), n, **options)

    return write
