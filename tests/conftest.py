"""What tests of several folders share: real data where it is there, and a small road with cars on
it.
"""

from __future__ import annotations

import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from racer import track
from racer.raceline.minimum_time import RacingLine, racing_line
from racer.sim.params import build_params
from racer.sim.placement import begin_episodes
from racer.sim.step import locate_cars
from racer.track import library
from racer.track.spatial_index import pack_tracks
from racer.track.track import Track
from racer.vehicle.car import V5, car_preset

# a job in the background of a script: tests press Ctrl-C
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    """How long the laws of `tests/sim/test_laws.py` are tried."""
    parser.addoption("--law-steps", type=int, default=20_000, help="steps of random races")


@pytest.fixture(scope="session", autouse=True)
def _temporary_files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Temporary files of tests, and of processes that they start, are in pytest's own folder."""
    folder = str(tmp_path_factory.mktemp("temporary"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", folder)
        patch.setattr(tempfile, "tempdir", folder)
        yield


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real logs and routes that lies beside some checkouts: `<repo>/../shared/data`."""
    data = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not data.is_dir():
        pytest.skip(f"no real data: {data} is not there")
    return data


@pytest.fixture(scope="session")
def ring() -> Track:
    """A round road, counterclockwise, 3 m from the center of the world, 1 m wide, of 60 waypoints."""
    angle = np.append(np.linspace(0.0, 2.0 * np.pi, 61)[:-1], 0.0)
    circle = np.column_stack([np.cos(angle), np.sin(angle)])
    return Track("ring", "Ring", 3.0 * circle, 2.5 * circle, 3.5 * circle)


@pytest.fixture(scope="session")
def drive(ring: Track) -> Callable[..., pd.DataFrame]:
    """A function that gives the trace of cars on the ring: 19 columns, episodes that complete a lap
    or leave it.
    """
    return lambda **options: _drive(options.pop("track", ring), **options)


def _drive(
    track: Track,
    episodes: int = 2,
    step: float = 0.3,
    ends: tuple[float, ...] = (100.0, 40.0),
    discrete: bool = True,
) -> pd.DataFrame:
    """Each episode starts 20 % of a lap further on, drives `step` m a row, and ends at one of
    `ends` (%), in turn.
    """
    rows = [_episode(track, e, step, ends[e % len(ends)], 0.2 * e) for e in range(episodes)]
    frame = pd.concat(rows, ignore_index=True)
    gap = np.where(frame["steps"] == 1.0, 2, 1)
    frame["tstamp"] = np.round(6.0 + np.cumsum(gap) / 15.0, 3)
    frame["wall_clock"] = 1.7e9 + frame["tstamp"] * 1.5
    steer = np.round(np.sin(np.arange(len(frame))) * 30.0, 3)
    frame["steer"], frame["throttle"] = steer, np.where(np.arange(len(frame)) % 2, 1.0, 2.5)
    frame["action"] = np.arange(len(frame)) % 5 if discrete else -1
    frame["episode_status"] = frame["episode_status"].astype("category")
    from racer.logs import schema as trace

    return trace.normalize_trace(frame[list(trace.TRACE_COLUMNS)])


def _episode(track: Track, number: int, step: float, end: float, start: float) -> pd.DataFrame:
    s = np.append(0.0, np.arange(0.0, end / 100.0 * track.length, step))
    s = np.append(s, end / 100.0 * track.length) if s[-1] < end / 100.0 * track.length - 1e-9 else s
    place = np.mod(start * track.length + s, track.length)
    xy = np.column_stack([np.interp(place, track.s, track.center[:, k]) for k in (0, 1)])
    ahead = np.column_stack(
        [np.interp(np.mod(place + 0.01, track.length), track.s, track.center[:, k]) for k in (0, 1)]
    )
    frame = pd.DataFrame(
        {"episode": number, "steps": np.arange(1.0, len(s) + 1.0), "X": xy[:, 0], "Y": xy[:, 1]}
    )
    frame["yaw"] = np.degrees(np.arctan2(*(ahead - xy).T[::-1]))
    frame["progress"] = np.minimum(100.0 * s / track.length, 100.0)
    frame["reward"] = np.where(frame["steps"] == 1.0, 0.0, 1.0 / 3.0)
    frame["done"] = frame["steps"] == len(s)
    frame["all_wheels_on_track"] = ~(frame["done"] & (end < 100.0))
    frame["closest_waypoint"] = [
        _nearer(track, spot, where) for spot, where in zip(xy, place, strict=True)
    ]
    frame["track_len"] = track.length
    last = "lap_complete" if end >= 100.0 else "off_track"
    frame["episode_status"] = ["prepare", *["in_progress"] * (len(s) - 2), last]
    return frame.assign(pause_duration=0.0, obstacle_crash_counter=0.0)


def _nearer(track: Track, spot: np.ndarray, place: float) -> int:
    """The obvious twin of the waypoint rule: of the waypoints before and after the projection, the
    nearer one.
    """
    count = len(track.center) - 1
    before = max(i for i in range(count) if track.s[i] <= place + 1e-12)
    after = (before + 1) % count
    gaps = [float(np.hypot(*(track.center[i] - spot))) for i in (before, after)]
    return before if gaps[0] <= gaps[1] else after


HOSTILE = Path(__file__).parent / "data" / "rewards"


@pytest.fixture(scope="session")
def hostile() -> Path:
    """The folder of reward files that misbehave."""
    return HOSTILE


@pytest.fixture(scope="session")
def situations() -> Callable[..., list[dict[str, Any]]]:
    """A function that gives params of `n` cars spread over a track, on and off the road, in all
    directions.
    """
    return _situations


def _situations(
    n: int = 64, road: Track | None = None, steps: int | None = None
) -> list[dict[str, Any]]:
    tracks = [road or track.load_track("oval")]
    rng = np.random.default_rng(n)
    roads = pack_tracks(tracks)
    rows = begin_episodes(tracks, roads, np.zeros(n, np.int32), np.arange(n) / n)
    rows["x"] += rng.normal(0.0, 0.15, n)
    rows["y"] += rng.normal(0.0, 0.15, n)
    rows["yaw"] = (rows["yaw"] + rng.normal(0.0, 0.5, n) + np.pi) % (2.0 * np.pi) - np.pi
    rows["steer_command_deg"], rows["speed_command"] = (
        rng.uniform(-30, 30, n),
        rng.uniform(0.1, 4.0, n),
    )
    rows = locate_cars(rows, roads)
    rows["steps"] = np.arange(2, n + 2) if steps is None else steps
    return [dict(p) for p in build_params(rows, tracks)]


@pytest.fixture(scope="session")
def quick() -> RacingLine:
    """The line of `reinvent_2018` that bends least."""
    return racing_line(library.load_track("reinvent_2018"), V5, 0.0, "least_curvature")


@pytest.fixture(scope="session")
def line(ring: Track) -> RacingLine:
    """The fastest line of the ring."""
    return racing_line(ring, car_preset("v6"))
