"""Every function of racer.plotting that draws takes an Axes and gives it back, so that a notebook
can compose its own.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable
from typing import Any

import pytest

import racer.plotting
from racer.analysis import laps, laps_by_iteration
from racer.plotting.actions import discrete_action_usage
from racer.plotting.lap_times import sector_time_table
from racer.plotting.telemetry import laps_over_distance
from racer.sim.obstacles import obstacles_on

OF_LOGS = ("actions", "heat_maps", "lap_times", "laps", "telemetry", "track")


def drawing() -> dict[str, Callable[..., Any]]:
    """Every public function of racer.plotting whose name says that it draws, by module and name."""
    found = {}
    for info in pkgutil.iter_modules(racer.plotting.__path__):
        module = importlib.import_module(f"racer.plotting.{info.name}")
        for name, function in inspect.getmembers(module, inspect.isfunction):
            if name.startswith("draw_") and function.__module__ == module.__name__:
                found[f"{info.name}.{name}"] = function
    return found


DRAWING = drawing()
NOT_OF_A_LOG = (
    "heat_maps.draw_best_headings",
    "heat_maps.draw_reward_map_on_track",
    "heat_maps.draw_slice_along",
    "heat_maps.draw_slices_across",
)
OF_A_LOG = sorted(
    name
    for name in DRAWING
    if (name.split(".")[0] in OF_LOGS and name not in NOT_OF_A_LOG)
    or name in ("policy.draw_entropy", "policy.draw_kl")
)


@pytest.fixture(scope="module")
def given(ring, drive, ppo) -> dict[str, Any]:
    """What the functions ask for, by the names of their parameters."""
    trace = drive(episodes=12)
    table = laps(trace)
    trips = laps_over_distance(trace, table[table["complete"]].head(2))
    return {
        "trace": trace,
        "laps": table,
        "track": ring,
        "iterations": laps_by_iteration(table),
        "use": discrete_action_usage(trace, table),
        "ppo": ppo,
        "times": sector_time_table(trace, table[table["complete"]], ring),
        "trips": {"A": trips[0], "B": trips[1]},
        "one": trips[0],
        "other": trips[1],
        "obstacles": obstacles_on(ring, [(0.2, 1), (0.5, -1)]),
    }


def test_there_are_functions_that_draw() -> None:
    assert len(OF_A_LOG) >= 25


@pytest.mark.parametrize("name", DRAWING)
def test_it_says_that_it_takes_an_axes_and_returns_one(name: str) -> None:
    about = inspect.signature(DRAWING[name])
    assert about.parameters["ax"].annotation == "Axes"
    assert about.return_annotation == "Axes"
    assert "`ax`" in (DRAWING[name].__doc__ or "")


@pytest.mark.parametrize("name", OF_A_LOG)
def test_it_draws_on_the_axes_that_it_is_given_and_returns_it(
    name: str, given: dict[str, Any], ax
) -> None:
    function = DRAWING[name]
    asked = [one for one in inspect.signature(function).parameters.values() if one.name != "ax"]
    arguments = {
        one.name: given[one.name]
        for one in asked
        if one.default is one.empty or one.name == "track"
    }
    before = len(ax.get_children()), ax.get_title(loc="left")
    assert function(**arguments, ax=ax) is ax
    assert (len(ax.get_children()), ax.get_title(loc="left")) != before
