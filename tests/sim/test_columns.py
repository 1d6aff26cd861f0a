"""Columns of params hold the numbers that `build_params` gives, step by step."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from racer.drivers import Drive, drive_all
from racer.errors import UsageError
from racer.sim import build_params, param_columns
from racer.track import load_track

DRIVERS = ["fast", "weaving", "stopping", "leaving", "wrong_way"]


def drives(objects: str | None) -> list[Drive]:
    return drive_all(load_track("reinvent_2018"), DRIVERS, "v6", obstacles=objects)


def value_at(column: Any, row: int) -> Any:
    if isinstance(column, np.ndarray):
        return column[row].item()
    if isinstance(column, tuple):
        return [value_at(element, row) for element in column]
    return column


def as_lists(value: Any) -> Any:
    return [as_lists(element) for element in value] if isinstance(value, list | tuple) else value


@pytest.mark.parametrize("objects", [None, "boxes"])
def test_every_key_of_every_step_is_that_of_build_params(objects: str | None) -> None:
    for drive in drives(objects):
        rows = drive.rows
        columns = param_columns(rows, drive.tracks[0], drive.objects)
        params = build_params(rows, drive.tracks, drive.obstacles(rows))
        assert list(params[0].keys() - columns.keys()) == []
        for row in range(0, len(rows), 7):
            for key, value in params[row].items():
                told = value_at(columns[key], row)
                assert as_lists(told) == as_lists(value), key
                if key != "progress":  # a whole lap is an int there
                    assert type(told) is type(value), key


def test_only_the_keys_that_are_asked_for_are_made() -> None:
    drive = drives(None)[0]
    columns = param_columns(drive.rows, drive.tracks[0], keys={"speed"})
    assert "speed" in columns
    assert "steps" not in columns


def test_obstacles_that_move_are_refused() -> None:
    drive = drives("boxes")[0]
    objects = drive.objects.copy()
    objects["moves"] = True
    with pytest.raises(UsageError, match="move"):
        param_columns(drive.rows, drive.tracks[0], objects)
