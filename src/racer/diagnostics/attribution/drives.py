"""What is explained: the params of the steps of scripted drivers, or of recorded laps."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from racer.analysis import laps
from racer.diagnostics.log_replay import scored_rows
from racer.drivers.scripted import Drive, drive_all
from racer.errors import UsageError
from racer.logs import read_log
from racer.logs.log_track import find_log_track
from racer.logs.to_state import episode_begins, state_rows
from racer.sim.params import build_params
from racer.sim.state import Phase
from racer.track.library import load_track
from racer.track.track import Track
from racer.vehicle.action_space import ActionSpace
from racer.vehicle.car import DEFAULT_CAR

StepParams = Any
"""The params of one step: a dict, or what reads like one."""
DriveParams = list[tuple[str, list[StepParams]]]
"""Drives by name, each with the params of its steps in order."""
TrackSource = str | os.PathLike[str] | Track


def drive_params(
    track: TrackSource,
    drivers: Sequence[str],
    car: str = DEFAULT_CAR,
    action_space: ActionSpace | None = None,
    reverse: bool = False,
) -> tuple[Track, DriveParams]:
    """The track in the direction driven, and the params of every step of the drivers on it."""
    known_track = track if isinstance(track, Track) else load_track(track)
    drives: DriveParams = []
    for drive in drive_all(known_track, drivers, car, action_space, reverse=reverse):
        rows = drive.rows[drive.rows["phase"] == Phase.RUN]
        params = list(build_params(rows, drive.tracks))
        drives.append((f"{drive.name} ({_describe_drive_end(drive)})", params))
    return (known_track.reversed() if reverse else known_track), drives


def recorded_params(
    log: str | os.PathLike[str], track: TrackSource = "", episodes: int = 3
) -> tuple[Track, DriveParams]:
    """The track that a log was driven on, and the params of the steps of its best episodes.

    Of logs of several tracks those steps count that were driven on the one of most steps. Raises
    UsageError for an unknown track, and for a log without a step that a reward is called for.
    """
    trace = read_log(os.fspath(log)).trace
    length = trace["track_len"].round(2)
    on_track = trace[length == length.mode().iloc[0]].reset_index(drop=True)
    log_track = find_log_track(on_track, track)
    if log_track.track is None:
        raise UsageError(log_track.sentence)
    drives = episode_params(on_track, log_track.track, episodes)
    if not any(steps for _, steps in drives):
        raise UsageError(f"{log} holds no step that a reward function is called for")
    return log_track.track, drives


def episode_params(trace: pd.DataFrame, track: Track, count: int) -> DriveParams:
    """The params of the scored steps of the `count` best episodes of a trace driven on one track:
    complete ones, the fastest first, or else those that came farthest.
    """
    is_scored = scored_rows(trace)
    episode = np.cumsum(episode_begins(trace)) - 1
    lap_table = laps(trace)
    lap_table = lap_table.assign(number=episode[lap_table["first_row"]])
    lap_table = lap_table.sort_values(["complete", "time"], ascending=[False, True])
    best = lap_table[lap_table["complete"]]
    if not len(best):
        best = lap_table.nlargest(count, "completion")
    state = state_rows(trace, track)
    drives: DriveParams = []
    for lap in best.drop_duplicates("number").head(count).to_dict("records"):
        rows = state[(episode == lap["number"]) & is_scored]
        name = f"episode {lap['episode']} ({_describe_lap_end(lap)})"
        drives.append((name, list(build_params(rows, [track]))))
    return drives


def _describe_drive_end(drive: Drive) -> str:
    if np.isnan(drive.lap_time):
        return f"{drive.completion:.0f} % of a lap"
    return f"{drive.lap_time:.2f} s"


def _describe_lap_end(lap: Mapping[Any, Any]) -> str:
    if lap["complete"]:
        return f"{lap['time']:.2f} s"
    return f"{lap['completion']:.0f} % of a lap"
