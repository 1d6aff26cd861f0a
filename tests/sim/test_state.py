"""Rows of the state table as columns of the simulator's log."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from racer import resources as shipped
from racer.logs.schema import TRACE_COLUMNS, normalize_trace
from racer.logs.to_state import state_rows as rows_of
from racer.logs.track_matching import match_track
from racer.sim.simulation import Scenario, Simulation, Starts
from racer.sim.state import STATE, Phase, State, column_reader, trace_columns
from racer.track import layout as layout_file
from racer.track.track import Track
from racer.vehicle.car import V6

TRACK = layout_file.load_layout_track(shipped.tracks_folder() / "reinvent_2018.toml")


def drive(track: Track = TRACK, steps: int = 250) -> tuple[State, pd.DataFrame]:
    """Rows and trace of one car that is driven at random for some episodes."""
    field = Simulation(Scenario(track, V6, starts=Starts(offset=0.15)), 1, seed=1)
    generator = np.random.default_rng(2)
    seen, frames = [], []
    for _ in range(steps):
        row = field.step(np.array([[generator.choice([-8.0, 0.0, 12.0]), 1.5]]))
        seen.append(row)
        frames.append(
            pd.DataFrame(trace_columns(row, np.array([3]), np.array([0.5]), field.scenario.tracks))
        )
        field.restart(np.flatnonzero(row["done"]))
    return np.concatenate(seen), pd.concat(frames, ignore_index=True)


@pytest.mark.parametrize("names", [STATE.names, ("wheels", "clock", "left"), ("lap_time",)])
def test_a_reader_takes_columns_out_of_the_bytes_of_rows_as_they_are(names):
    rows, _ = drive(steps=60)
    told = list(column_reader(*names).iter_unpack(rows.tobytes()))
    ordered = [name for name in STATE.names if name in names]
    for name, values in zip(ordered, zip(*told, strict=True), strict=True):
        np.testing.assert_array_equal(values, rows[name])
        assert type(values[0]) is type(rows[name].tolist()[0])


def test_columns_are_the_simulators_in_its_order():
    _, frame = drive(steps=2)
    assert tuple(frame.columns) == TRACE_COLUMNS[:18]
    normalize_trace(frame)


def test_units_are_those_of_the_log():
    rows, frame = drive(steps=60)
    assert frame["yaw"].to_numpy() == pytest.approx(np.degrees(rows["yaw"]))
    assert (frame["track_len"] == TRACK.length).all()
    assert frame["tstamp"].to_numpy() == pytest.approx(rows["clock"] + rows["dt"])
    assert frame["episode_status"].iloc[0] == "prepare"


def test_our_own_log_read_back_gives_the_same_places_poses_and_commands():
    rows, frame = drive()
    assert frame["episode"].nunique() > 2
    again = rows_of(frame, TRACK)
    for name in ("x", "y", "yaw", "s", "distance", "width", "progress", "start"):
        assert again[name] == pytest.approx(rows[name], abs=1e-9), name
    for name in (
        "previous",
        "next",
        "closest",
        "wheels",
        "left",
        "steps",
        "episode",
        "phase",
        "status",
        "done",
    ):
        assert np.array_equal(again[name], rows[name]), name
    assert np.array_equal(again["speed_command"], rows["speed_command"])
    driving = (rows["phase"] == Phase.RUN) & (rows["steps"] > 3)
    assert np.median(np.abs(again["vx"] - rows["vx"])[driving]) < 0.1


@pytest.mark.parametrize("reverse", [False, True])
def test_our_own_log_is_recognised_by_its_track_and_direction(reverse: bool):
    _, frame = drive(TRACK.reversed() if reverse else TRACK)
    found = match_track(frame, [TRACK])
    assert found is not None
    assert found.track.is_reversed == reverse
    assert found.agreement == 1.0
