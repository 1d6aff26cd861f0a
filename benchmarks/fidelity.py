"""How faithful racer is to real logs: geometry row by row, dynamics open loop, distance lap by lap.

    python benchmarks/fidelity.py LOGS --tracks DIR [--car v4|v5|v6] [--json]

LOGS is a simtrace file or a folder of them, searched to its depth; DIR holds route files (.npy). A
log is a file, or all `N-iteration.csv` of a folder together. docs/fidelity.md says what the numbers
mean.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

import open_loop
from racer import geometry, logs
from racer.errors import RacerError, UsageError
from racer.logs.to_state import state_rows
from racer.logs.track_matching import match_track
from racer.sim.state import Phase, State, Status
from racer.track import route
from racer.track.spatial_index import pack_tracks
from racer.track.track import Track
from racer.vehicle.car import CARS, WHEEL_CENTERS_M
from racer.vehicle.metadata import read_metadata

PROGRESS = 0.002  # %, within which progress agrees
QUANTITIES = ("waypoint", "progress", "wheels")
WIDTH = 190  # characters
FEWEST_WINDOWS = 20  # of a log that counts in the mean over logs
MODELS = ("racer", "kinematic bicycle", "constant velocity")


@dataclass(frozen=True, eq=False)
class Job:
    """A log: its steps, where it was driven and by which car, as far as its folder tells."""

    name: str
    columns: int
    trace: pd.DataFrame
    track: Track | None
    car: str | None


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("logs", type=Path)
    parser.add_argument(
        "--tracks", type=Path, required=True, help="folder of route files, searched to its depth"
    )
    parser.add_argument(
        "--car",
        choices=list(CARS),
        help="of all logs; by default what model_metadata.json says, or the best",
    )
    parser.add_argument("--json", action="store_true", help="print data instead of tables")
    asked = parser.parse_args()
    try:
        found = [_measure(job, asked.car) for job in jobs(asked.logs, routes(asked.tracks))]
    except RacerError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    if asked.json:
        print(
            json.dumps(
                {"logs": found, "formats": _formats(found), "cars": _generations(found)}, indent=1
            )
        )
    else:
        _print(found)
    return 0


# Reading


def routes(folder: Path) -> list[Track]:
    """Every route in a folder, seams kept; files that are none are named on stderr."""
    found = []
    for path in sorted(folder.rglob("*.npy")):
        try:
            found.append(route.load_route(path, keep_seam=True))
        except UsageError as error:
            print(f"left out: {error}", file=sys.stderr)
    if not found:
        raise UsageError(
            f"{folder} holds no route files (.npy): without the track there is nothing to compare with"
        )
    return found


def jobs(root: Path, tracks: list[Track]) -> Iterator[Job]:
    """The logs in a file or folder, in the order of their names."""
    log = logs.read_log(root)
    folder = root if root.is_dir() else root.parent
    groups: dict[str, list[int]] = {}
    for number, source in enumerate(log.sources):
        groups.setdefault(re.sub(r"\d+-iteration\.csv", "N-iteration.csv", source.name), []).append(
            number
        )
    for name, numbers in groups.items():
        trace = log.trace[log.trace["source"].isin(numbers)].reset_index(drop=True)
        columns = max(log.sources[number].columns for number in numbers)
        recognised = match_track(trace, tracks)
        yield Job(
            _short(name), columns, trace, recognised and recognised.track, _generation(folder, name)
        )


def _short(name: str) -> str:
    return re.sub(r"(\.simtrace)?\.(csv|log|txt)(\.gz)?$", "", name)


def _generation(root: Path, name: str) -> str | None:
    """The car that the nearest model_metadata.json names, from the log's folder up to the one that
    was asked for.
    """
    folder = (root / name).parent
    while True:
        for place in (folder / "model_metadata.json", folder / "model" / "model_metadata.json"):
            if place.is_file():
                return read_metadata(place).car
        if folder == root:
            return None
        folder = folder.parent


def _measure(job: Job, car: str | None) -> dict[str, Any]:
    driven = _drive(job, car)
    return {"log": job.name, "columns": job.columns, **_geometry(job), **driven}


# Geometry: does the state table say what the log's own columns say?


def _geometry(job: Job) -> dict[str, Any]:
    """Counts of rows that agree in each quantity: of all, and as `driving` of those in which the
    car is not held.
    """
    if job.track is None:
        return {"track": None, "rows": len(job.trace), "agreement": None, "misses": []}
    roads = pack_tracks([job.track])
    state = state_rows(job.trace, job.track, roads)
    logged = {
        name: job.trace[name].to_numpy()
        for name in ("closest_waypoint", "progress", "all_wheels_on_track")
    }
    agrees = {
        "waypoint": state["closest"] == logged["closest_waypoint"],
        "progress": np.abs(state["progress"] - logged["progress"]) <= PROGRESS,
        "wheels": (state["wheels"] == 4) == logged["all_wheels_on_track"],
        "off_track": ((state["wheels"] == 0) == (state["status"] == Status.OFF_TRACK))
        | _told_otherwise(state),
    }
    driving = state["phase"] == Phase.RUN
    return {
        "track": job.track.name + (" reversed" if job.track.is_reversed else ""),
        "rows": len(state),
        "driving_rows": int(driving.sum()),
        "agreement": {
            name: {"all": int(a.sum()), "driving": int(a[driving].sum())}
            for name, a in agrees.items()
        },
        "misses": [
            _miss(state, job.track, int(i), name, logged)
            for name in QUANTITIES
            for i in np.flatnonzero(~agrees[name])
        ],
    }


def _told_otherwise(state: State) -> NDArray[np.bool_]:
    """Rows whose status says another thing than where the wheels are, by the simulator's
    precedence.
    """
    return np.asarray((state["phase"] != Phase.RUN) | (state["status"] <= Status.CRASHED))


def _miss(state: State, track: Track, i: int, name: str, logged: dict[str, Any]) -> dict[str, Any]:
    """Why a row disagrees: by how much (m, or % of progress) it is off the place where the answer
    changes.
    """
    row = state[i]
    if name == "progress":
        by = abs(float(row["progress"] - logged["progress"][i]))
    elif name == "waypoint":
        front = [float(row["front_x"]), float(row["front_y"])]
        gap = np.hypot(*(track.center[[row["previous"], row["next"]]] - front).T)
        by = abs(float(gap[0] - gap[1])) / 2.0
    else:
        by = _edge_distance(row, track)
    return {
        "row": i,
        "quantity": name,
        "by": by,
        "held": bool(row["phase"] != Phase.RUN),
        "steps": int(row["steps"]),
    }


def _edge_distance(row: np.void, track: Track) -> float:
    """m from the wheel nearest to an edge of the road to that edge."""
    c, s = np.cos(row["yaw"]), np.sin(row["yaw"])
    wheels = np.array(
        [[row["x"] + c * x - s * y, row["y"] + s * x + c * y] for x, y in WHEEL_CENTERS_M]
    )
    return min(
        float(np.hypot(*(geometry.nearest_point(line, wheels) - wheels).T).min())
        for line in (track.inner, track.outer)
    )


# Dynamics: how far does the model get from the real car when it is given nothing but the commands?


def _drive(job: Job, car: str | None) -> dict[str, Any]:
    trace = job.trace
    poses = open_loop.chassis(trace)
    command = np.column_stack([trace["steer"], trace["throttle"]]).astype(np.float64)
    follows, gap = open_loop.step_times(trace)
    starts = open_loop.windows(trace)
    candidates = [car or job.car] if car or job.car else list(CARS)
    errors = {
        name: open_loop.errors(poses, command, gap, CARS[name], starts)
        for name in candidates
        if name
    }
    best = (
        min(errors, key=lambda name: errors[name]["position"][open_loop.SECOND])
        if len(starts)
        else (car or job.car)
    )
    return {
        "car": best,
        "car_from": "--car" if car else "metadata" if job.car else "best fit",
        "candidates": {
            name: error["position"][open_loop.SECOND] for name, error in errors.items() if error
        },
        "poses_follow_tstamp": follows,
        "windows": len(starts),
        "models": {
            "racer": errors.get(best),
            "kinematic bicycle": open_loop.errors(poses, command, gap, None, starts, bicycle=True),
            "constant velocity": open_loop.errors(poses, command, gap, None, starts),
        },
        "laps": open_loop.lap_errors(trace, poses, command, gap, CARS[best]) if best else [],
    }


# Summaries


def _formats(found: list[dict[str, Any]]) -> dict[str, Any]:
    """Agreement in % of rows by log format (number of columns)."""
    return {
        str(columns): _agreement([log for log in found if log["columns"] == columns])
        for columns in _sorted(found, "columns")
    }


def _agreement(some: list[dict[str, Any]]) -> dict[str, Any]:
    some = [log for log in some if log["agreement"]]
    counts = {
        "all": sum(log["rows"] for log in some),
        "driving": sum(log["driving_rows"] for log in some),
    }
    share = {
        name: {
            which: 100.0 * sum(log["agreement"][name][which] for log in some) / max(count, 1)
            for which, count in counts.items()
        }
        for name in (*QUANTITIES, "off_track")
    }
    return {"logs": len(some), "rows": counts["all"], "driving_rows": counts["driving"], **share}


def _generations(found: list[dict[str, Any]]) -> dict[str, Any]:
    """By car: the mean over logs of the median errors of each model, and the error of the distance
    over laps.
    """
    return {
        car: _generation_errors([log for log in found if log["car"] == car])
        for car in _sorted(found, "car")
    }


def _generation_errors(some: list[dict[str, Any]]) -> dict[str, Any]:
    measured = [log for log in some if log["windows"] >= FEWEST_WINDOWS]
    errors = {
        model: {
            name: np.mean([log["models"][model][name] for log in measured], axis=0).tolist()
            for name in ("position", "position_90", "heading", "heading_90")
        }
        for model in MODELS
        if measured
    }
    distance = np.array([error for log in some for error in log["laps"]])
    return {
        "logs": len(measured),
        "windows": sum(log["windows"] for log in measured),
        "models": errors,
        "laps": len(distance),
        "lap_distance_mean": float(distance.mean()) if len(distance) else None,
        "lap_distance_absolute": float(np.abs(distance).mean()) if len(distance) else None,
    }


def _sorted(found: list[dict[str, Any]], name: str) -> list[Any]:
    return sorted({log[name] for log in found if log[name] is not None})


# Printing


def _print(found: list[dict[str, Any]]) -> None:
    console = Console(width=WIDTH, highlight=False)
    console.print(
        "Geometry: % of rows that agree with the log, all rows / rows in which the car is not held (prepare, pause)\n"
    )
    console.print(_geometry_table(found))
    _print_misses(console, found)
    console.print(
        "\nOpen loop: median (90th percentile) of the error after 1, 5, 15 and 30 steps of logged commands\n"
    )
    console.print(_dynamics_table(found))
    console.print(
        f"\nMean over logs, of {FEWEST_WINDOWS} windows or more, of the medians (of the 90th percentiles)\n"
    )
    console.print(_generation_table(found))
    console.print("\nDistance over complete laps from standstill, commands replayed open loop\n")
    console.print(_lap_table(found))


def _plain(*columns: str) -> Table:
    made = Table(box=None, pad_edge=False, header_style="")
    for number, column in enumerate(columns):
        made.add_column(column, justify="left" if number == 0 else "right", no_wrap=True)
    return made


def _geometry_table(found: list[dict[str, Any]]) -> Table:
    made = _plain("log", "columns", "track", "rows", "waypoint", "progress", "wheels", "off track")
    for log in found:
        cells = (
            [_shares(_agreement([log])[name]) for name in (*QUANTITIES, "off_track")]
            if log["agreement"]
            else ["-"] * 4
        )
        made.add_row(
            log["log"], str(log["columns"]), log["track"] or "none fits", str(log["rows"]), *cells
        )
    for columns, share in _formats(found).items():
        cells = [_shares(share[name]) for name in (*QUANTITIES, "off_track")]
        made.add_row(f"all logs of {columns} columns", columns, "", str(share["rows"]), *cells)
    return made


def _shares(share: dict[str, float]) -> str:
    return f"{share['all']:.3f} / {share['driving']:.3f}"


def _print_misses(console: Console, found: list[dict[str, Any]]) -> None:
    """How far from where the answer changes the rows are that disagree."""
    misses = [miss for log in found for miss in log["misses"]]
    console.print("\nWhere they disagree:")
    for name in QUANTITIES:
        held = [miss for miss in misses if miss["quantity"] == name and miss["held"]]
        by = np.array(
            [miss["by"] for miss in misses if miss["quantity"] == name and not miss["held"]]
        )
        text = f"  {name}: {len(by)} rows of driving"
        if name == "progress":
            text += f", off by up to {by.max():.3f} %" if len(by) else ""
        elif len(by):
            what = "an edge of the road" if name == "wheels" else "equally near waypoints"
            near = ", ".join(
                f"{int((by < limit).sum())} within {1000 * limit:g} mm"
                for limit in (0.0001, 0.001, 0.005, 0.010)
            )
            text += f" ({near} of {what}; the farthest {1000 * by.max():.1f} mm)"
        console.print(text + (f"; {len(held)} while held" if held else ""), soft_wrap=True)


def _dynamics_table(found: list[dict[str, Any]]) -> Table:
    steps = [
        f"{steps}: cm" if half else f"{steps}: deg"
        for steps in open_loop.HORIZONS
        for half in (1, 0)
    ]
    made = _plain("log", "car", "told by", "times", "windows", *steps)
    for log in found:
        cells = _cells(log["models"]["racer"])
        others = ", ".join(
            f"{car} {100 * error:.0f}"
            for car, error in log["candidates"].items()
            if error is not None
        )
        told = (
            f"best fit ({others} cm)"
            if others and log["car_from"] == "best fit"
            else log["car_from"]
            if log["car"]
            else "-"
        )
        times = "tstamp" if log["poses_follow_tstamp"] else "fixed"
        made.add_row(log["log"], log["car"] or "?", told, times, str(log["windows"]), *cells)
    return made


def _cells(error: dict[str, Any] | None) -> list[str]:
    if error is None:
        return ["-"] * 2 * len(open_loop.HORIZONS)
    return [
        cell
        for k in range(len(open_loop.HORIZONS))
        for cell in (
            f"{100 * error['position'][k]:.1f} ({100 * error['position_90'][k]:.0f})",
            f"{error['heading'][k]:.1f} ({error['heading_90'][k]:.0f})",
        )
    ]


def _generation_table(found: list[dict[str, Any]]) -> Table:
    steps = [
        f"{steps}: cm" if half else f"{steps}: deg"
        for steps in open_loop.HORIZONS
        for half in (1, 0)
    ]
    made = _plain("car", "logs", "windows", "model", *steps)
    for car, errors in _generations(found).items():
        for model, error in errors["models"].items():
            made.add_row(car, str(errors["logs"]), str(errors["windows"]), model, *_cells(error))
    return made


def _lap_table(found: list[dict[str, Any]]) -> Table:
    made = _plain("log", "car", "laps", "mean error %", "mean absolute error %")
    for log in found:
        if log["laps"]:
            made.add_row(
                log["log"], log["car"], str(len(log["laps"])), *_percent(np.array(log["laps"]))
            )
    for car, _ in _generations(found).items():
        distance = np.array([error for log in found if log["car"] == car for error in log["laps"]])
        if len(distance):
            made.add_row(f"all laps of {car}", car, str(len(distance)), *_percent(distance))
    return made


def _percent(error: NDArray[np.float64]) -> tuple[str, str]:
    return f"{100 * error.mean():+.1f}", f"{100 * np.abs(error).mean():.1f}"


if __name__ == "__main__":
    sys.exit(main())
