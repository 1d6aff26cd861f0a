"""Every function of racer.plotting that draws takes an Axes and gives it back, so that a notebook
can compose its own figures.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import racer.plotting
from racer.analysis import discrete_action_usage, laps, laps_by_iteration
from racer.plotting.lap_times import sector_time_table
from racer.plotting.style import LeaderLabel
from racer.plotting.telemetry import laps_over_distance
from racer.sim.obstacles import obstacles_on

NOT_OF_A_LOG = (
    "attribution",  # modules about something else, with tests of their own
    "reward_map",
    "scores",
    "actions.draw_command_plane",
    "actions.draw_fastest_lap",
    "actions.draw_usage_by_place",
    "telemetry.draw_corner_gains",  # the ring has no corner
    "telemetry.draw_median_deltas",
    "telemetry.draw_median_speeds",
    "telemetry.draw_times_by_log",
    "track.draw_racing_line",
    "track.draw_speed_profiles",
    "training.draw_action_probabilities",
    "training.draw_input_parts",
    "training.draw_learning_curves",
    "training.draw_mean_command",
    "training.draw_numbered_places",
)


def drawing_functions() -> dict[str, Callable[..., Any]]:
    """Every public function of racer.plotting whose name says that it draws, by module and name."""
    functions = {}
    for info in pkgutil.iter_modules(racer.plotting.__path__):
        module = importlib.import_module(f"racer.plotting.{info.name}")
        for name, function in inspect.getmembers(module, inspect.isfunction):
            if name.startswith("draw_") and function.__module__ == module.__name__:
                functions[f"{info.name}.{name}"] = function
    return functions


DRAWING = drawing_functions()
OF_A_LOG = [
    name for name in DRAWING if name not in NOT_OF_A_LOG and name.split(".")[0] not in NOT_OF_A_LOG
]


@pytest.fixture(scope="module")
def arguments(ring, drive, ppo) -> dict[str, Any]:
    """What the functions ask for, by the names of their parameters."""
    trace = drive(episodes=12)
    table = laps(trace)
    first, second = laps_over_distance(trace, table[table["complete"]].head(2))
    return {
        "trace": trace,
        "laps": table,
        "track": ring,
        "iterations": laps_by_iteration(table),
        "usage": discrete_action_usage(trace, table),
        "ppo": ppo,
        "times": sector_time_table(trace, table[table["complete"]], ring),
        "telemetry": {"A": first, "B": second},
        "reference": first,
        "lap": second,
        "labels": [LeaderLabel("here", np.array([3.5, 0.0]), np.array([1.0, 0.0]))],
        "marks": ring.outer,
        "obstacles": obstacles_on(ring, [(0.2, 1), (0.5, -1)]),
    }


def test_there_are_functions_that_draw() -> None:
    assert len(OF_A_LOG) >= 25


@pytest.mark.parametrize("name", DRAWING)
def test_it_says_that_it_takes_an_axes_and_returns_one(name: str) -> None:
    signature = inspect.signature(DRAWING[name])
    assert signature.parameters["ax"].annotation == "Axes"
    assert signature.return_annotation == "Axes"
    assert "`ax`" in (DRAWING[name].__doc__ or "")


@pytest.mark.parametrize("name", OF_A_LOG)
def test_it_draws_on_the_axes_that_it_is_given_and_returns_it(
    name: str, arguments: dict[str, Any], ax
) -> None:
    function = DRAWING[name]
    given = {}
    for parameter in inspect.signature(function).parameters.values():
        is_required = parameter.default is parameter.empty and parameter.name != "ax"
        if is_required or parameter.name == "track":
            given[parameter.name] = arguments[parameter.name]
    before = len(ax.get_children()), ax.get_title(loc="left")
    assert function(**given, ax=ax) is ax
    assert (len(ax.get_children()), ax.get_title(loc="left")) != before
