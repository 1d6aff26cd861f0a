"""How faithful racer is to real logs: geometry row by row, the places where cars are put back, dynamics
open loop, distance lap by lap.

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
from racer.sim.placement import put_back
from racer.sim.state import Phase, State, Status
from racer.track import route
from racer.track.spatial_index import pack_tracks
from racer.track.track import Track
from racer.vehicle.car import CARS, PUT_BACK_RULES, WHEEL_CENTERS_M
from racer.vehicle.metadata import read_metadata

PROGRESS_TOLERANCE_PERCENT = 0.002
"""Within which progress agrees."""
QUANTITIES = ("waypoint", "progress", "wheels")
CONSOLE_CHARS = 190
MIN_WINDOWS = 20
"""Of a log that counts in the mean over logs."""
MODELS = ("racer", "kinematic bicycle", "constant velocity")
NEAR_LIMITS_M = (0.0001, 0.001, 0.005, 0.010)
"""Of rows that disagree: within how much they are counted."""

Result = dict[str, Any]
"""What was measured of a log, by name."""


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
    arguments = parser.parse_args()
    try:
        tracks = load_routes(arguments.tracks)
        results = [_measure(job, arguments.car) for job in read_jobs(arguments.logs, tracks)]
    except RacerError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    if arguments.json:
        report = {
            "logs": results,
            "formats": _agreement_by_format(results),
            "cars": _errors_by_car(results),
        }
        print(json.dumps(report, indent=1))
    else:
        _print_report(results)
    return 0


# Reading


def load_routes(folder: Path) -> list[Track]:
    """Every route in a folder, seams kept; files that are none are named on stderr."""
    tracks = []
    for path in sorted(folder.rglob("*.npy")):
        try:
            tracks.append(route.load_route(path, keep_seam=True))
        except UsageError as error:
            print(f"left out: {error}", file=sys.stderr)
    if not tracks:
        raise UsageError(
            f"{folder} holds no route files (.npy): "
            "without the track there is nothing to compare with"
        )
    return tracks


def read_jobs(root: Path, tracks: list[Track]) -> Iterator[Job]:
    """The logs in a file or folder, in the order of their names."""
    log = logs.read_log(root)
    folder = root if root.is_dir() else root.parent
    numbers_of_job: dict[str, list[int]] = {}
    for number, source in enumerate(log.sources):
        name = re.sub(r"\d+-iteration\.csv", "N-iteration.csv", source.name)
        numbers_of_job.setdefault(name, []).append(number)
    for name, numbers in numbers_of_job.items():
        trace = log.trace[log.trace["source"].isin(numbers)].reset_index(drop=True)
        columns = max(log.sources[number].columns for number in numbers)
        match = match_track(trace, tracks)
        track = match.track if match else None
        yield Job(_without_endings(name), columns, trace, track, _car_of_metadata(folder, name))


def _without_endings(name: str) -> str:
    return re.sub(r"(\.simtrace)?\.(csv|log|txt)(\.gz)?$", "", name)


def _car_of_metadata(root: Path, name: str) -> str | None:
    """The car that the nearest model_metadata.json names, from the log's folder up to the one that
    was asked for.
    """
    folder = (root / name).parent
    while True:
        for path in (folder / "model_metadata.json", folder / "model" / "model_metadata.json"):
            if path.is_file():
                return read_metadata(path).car
        if folder == root:
            return None
        folder = folder.parent


def _measure(job: Job, car: str | None) -> Result:
    dynamics = _measure_dynamics(job, car)
    geometry = _measure_geometry(job)
    return {"log": job.name, "columns": job.columns, **geometry, **dynamics}


# Geometry: does the state table say what the log's own columns say?


def _measure_geometry(job: Job) -> Result:
    """Counts of rows that agree in each quantity: of all, and as `driving` of those in which the
    car is not held.
    """
    if job.track is None:
        return {
            "track": None,
            "rows": len(job.trace),
            "agreement": None,
            "misses": [],
            "put_backs": [],
        }
    state = state_rows(job.trace, job.track, pack_tracks([job.track]))
    is_off_track = state["wheels"] == 0
    says_off_track = state["status"] == Status.OFF_TRACK
    progress = job.trace["progress"].to_numpy()
    agrees = {
        "waypoint": state["closest"] == job.trace["closest_waypoint"].to_numpy(),
        "progress": np.abs(state["progress"] - progress) <= PROGRESS_TOLERANCE_PERCENT,
        "wheels": (state["wheels"] == 4) == job.trace["all_wheels_on_track"].to_numpy(),
        "off_track": (is_off_track == says_off_track) | _has_overriding_status(state),
    }
    is_driving = state["phase"] == Phase.RUN
    agreement = {}
    for name, agreeing in agrees.items():
        driving = int(agreeing[is_driving].sum())
        agreement[name] = {"all": int(agreeing.sum()), "driving": driving}
    misses = []
    for name in QUANTITIES:
        for row in np.flatnonzero(~agrees[name]).tolist():
            misses.append(_describe_miss(state, job.track, row, name, progress))
    return {
        "track": job.track.name + (" reversed" if job.track.is_reversed else ""),
        "rows": len(state),
        "driving_rows": int(is_driving.sum()),
        "agreement": agreement,
        "misses": misses,
        "put_backs": measure_put_backs(state, job.track),
    }


def measure_put_backs(state: State, track: Track) -> list[Result]:
    """Of every incident after which the car was put back, how far from there each of the rules puts
    it, mm. Crashes are left out: where the obstacles were no log says.
    """
    packed = pack_tracks([track])
    is_pause = state["phase"] == Phase.PAUSE
    put_backs = []
    for row in np.flatnonzero(~is_pause[:-1] & is_pause[1:]).tolist():
        incident = state[row : row + 1]
        status = Status(incident["status"][0])
        if status == Status.CRASHED:
            continue
        pause_rows = int(np.argmin(np.append(is_pause[row + 1 :], False)))
        held = state[row + pause_rows]  # the first ones may still wobble
        after = incident.copy()
        after["phase"] = Phase.PAUSE
        result: Result = {"steps": int(incident["steps"][0]), "status": status.word}
        for rule in PUT_BACK_RULES:
            place = put_back(incident, after, [track], packed, rule=rule)[0]
            away = np.hypot(place["x"] - held["x"], place["y"] - held["y"])
            result[rule] = 1000.0 * float(away)
        put_backs.append(result)
    return put_backs


def _has_overriding_status(state: State) -> NDArray[np.bool_]:
    """Rows whose status says another thing than where the wheels are, by the simulator's
    precedence.
    """
    return np.asarray((state["phase"] != Phase.RUN) | (state["status"] <= Status.CRASHED))


def _describe_miss(
    state: State, track: Track, index: int, name: str, logged_progress: NDArray[np.float64]
) -> dict[str, Any]:
    """Why a row disagrees: by how much (m, or % of progress) it is off the place where the answer
    changes.
    """
    row = state[index]
    if name == "progress":
        by = abs(float(row["progress"] - logged_progress[index]))
    elif name == "waypoint":
        front = [float(row["front_x"]), float(row["front_y"])]
        waypoints = track.center[[row["previous"], row["next"]]]
        distance = np.hypot(*(waypoints - front).T)
        by = abs(float(distance[0] - distance[1])) / 2.0
    else:
        by = _edge_distance(row, track)
    return {
        "row": index,
        "quantity": name,
        "by": by,
        "held": bool(row["phase"] != Phase.RUN),
        "steps": int(row["steps"]),
    }


def _edge_distance(row: np.void, track: Track) -> float:
    """m from the wheel nearest to an edge of the road to that edge."""
    cos = np.cos(row["yaw"])
    sin = np.sin(row["yaw"])
    wheels = np.array(
        [
            [row["x"] + cos * ahead - sin * left, row["y"] + sin * ahead + cos * left]
            for ahead, left in WHEEL_CENTERS_M
        ]
    )
    distances = []
    for edge in (track.inner, track.outer):
        gap = geometry.nearest_point(edge, wheels) - wheels
        distances.append(float(np.hypot(*gap.T).min()))
    return min(distances)


# Dynamics: how far does the model get from the real car when it is given nothing but the commands?


def _measure_dynamics(job: Job, asked_car: str | None) -> Result:
    trace = job.trace
    poses = open_loop.chassis(trace)
    command = np.column_stack([trace["steer"], trace["throttle"]]).astype(np.float64)
    follows, gap = open_loop.step_times(trace)
    starts = open_loop.windows(trace)
    known_car = asked_car or job.car
    errors = {}
    for name in [known_car] if known_car else list(CARS):
        errors[name] = open_loop.errors(poses, command, gap, CARS[name], starts)
    car = known_car
    if len(starts):
        car = min(errors, key=lambda name: errors[name]["position"][open_loop.SECOND])
    candidates = {}
    for name, error in errors.items():
        if error:
            candidates[name] = error["position"][open_loop.SECOND]
    return {
        "car": car,
        "car_from": _car_origin(job, asked_car),
        "candidates": candidates,
        "poses_follow_tstamp": follows,
        "windows": len(starts),
        "models": {
            "racer": errors.get(car),
            "kinematic bicycle": open_loop.errors(poses, command, gap, None, starts, bicycle=True),
            "constant velocity": open_loop.errors(poses, command, gap, None, starts),
        },
        "laps": open_loop.lap_errors(trace, poses, command, gap, CARS[car]) if car else [],
    }


def _car_origin(job: Job, asked_car: str | None) -> str:
    if asked_car:
        return "--car"
    return "metadata" if job.car else "best fit"


# Summaries


def _agreement_by_format(results: list[Result]) -> dict[str, Any]:
    """Agreement in % of rows by log format (number of columns)."""
    agreement = {}
    for columns in _sorted_values(results, "columns"):
        of_format = [result for result in results if result["columns"] == columns]
        agreement[str(columns)] = _agreement_percent(of_format)
    return agreement


def _agreement_percent(results: list[Result]) -> dict[str, Any]:
    results = [result for result in results if result["agreement"]]
    rows = {
        "all": sum(result["rows"] for result in results),
        "driving": sum(result["driving_rows"] for result in results),
    }
    percent: dict[str, Any] = {}
    for name in (*QUANTITIES, "off_track"):
        percent[name] = {}
        for kind, count in rows.items():
            agreeing = sum(result["agreement"][name][kind] for result in results)
            percent[name][kind] = 100.0 * agreeing / max(count, 1)
    return {
        "logs": len(results),
        "rows": rows["all"],
        "driving_rows": rows["driving"],
        **percent,
    }


def _errors_by_car(results: list[Result]) -> dict[str, Any]:
    """By car: the mean over logs of the median errors of each model, and the error of the distance
    over laps.
    """
    errors = {}
    for car in _sorted_values(results, "car"):
        errors[car] = _mean_errors([result for result in results if result["car"] == car])
    return errors


def _mean_errors(results: list[Result]) -> dict[str, Any]:
    measured = [result for result in results if result["windows"] >= MIN_WINDOWS]
    models: dict[str, Any] = {}
    for model in MODELS if measured else ():
        models[model] = {}
        for name in ("position", "position_90", "heading", "heading_90"):
            errors = [result["models"][model][name] for result in measured]
            models[model][name] = np.mean(errors, axis=0).tolist()
    distance = np.array([error for result in results for error in result["laps"]])
    return {
        "logs": len(measured),
        "windows": sum(result["windows"] for result in measured),
        "models": models,
        "laps": len(distance),
        "lap_distance_mean": float(distance.mean()) if len(distance) else None,
        "lap_distance_absolute": float(np.abs(distance).mean()) if len(distance) else None,
    }


def _sorted_values(results: list[Result], name: str) -> list[Any]:
    return sorted({result[name] for result in results if result[name] is not None})


# Printing


def _print_report(results: list[Result]) -> None:
    console = Console(width=CONSOLE_CHARS, highlight=False)
    console.print(
        "Geometry: % of rows that agree with the log, all rows / rows in which the car is not "
        "held (prepare, pause)\n"
    )
    console.print(_geometry_table(results))
    _print_misses(console, results)
    _print_put_backs(console, results)
    console.print(
        "\nOpen loop: median (90th percentile) of the error after 1, 5, 15 and 30 steps of logged "
        "commands\n"
    )
    console.print(_dynamics_table(results))
    console.print(
        f"\nMean over logs, of {MIN_WINDOWS} windows or more, of the medians (of the 90th "
        "percentiles)\n"
    )
    console.print(_car_table(results))
    console.print("\nDistance over complete laps from standstill, commands replayed open loop\n")
    console.print(_lap_table(results))


def _new_table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="")
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number == 0 else "right", no_wrap=True)
    return table


def _geometry_table(results: list[Result]) -> Table:
    names = (*QUANTITIES, "off_track")
    table = _new_table(
        "log", "columns", "track", "rows", "waypoint", "progress", "wheels", "off track"
    )
    for result in results:
        cells = ["-"] * len(names)
        if result["agreement"]:
            percent = _agreement_percent([result])
            cells = [_format_agreement(percent[name]) for name in names]
        track = result["track"] or "none fits"
        table.add_row(result["log"], str(result["columns"]), track, str(result["rows"]), *cells)
    for columns, percent in _agreement_by_format(results).items():
        cells = [_format_agreement(percent[name]) for name in names]
        table.add_row(f"all logs of {columns} columns", columns, "", str(percent["rows"]), *cells)
    return table


def _format_agreement(percent: dict[str, float]) -> str:
    return f"{percent['all']:.3f} / {percent['driving']:.3f}"


def _print_misses(console: Console, results: list[Result]) -> None:
    """How far from where the answer changes the rows are that disagree."""
    misses = [miss for result in results for miss in result["misses"]]
    console.print("\nWhere they disagree:")
    for name in QUANTITIES:
        of_quantity = [miss for miss in misses if miss["quantity"] == name]
        by = np.array([miss["by"] for miss in of_quantity if not miss["held"]])
        text = f"  {name}: {len(by)} rows of driving"
        if len(by):
            text += _describe_distances(name, by)
        held = sum(miss["held"] for miss in of_quantity)
        if held:
            text += f"; {held} while held"
        console.print(text, soft_wrap=True)


def _describe_distances(name: str, by: NDArray[np.float64]) -> str:
    if name == "progress":
        return f", off by up to {by.max():.3f} %"
    border = "an edge of the road" if name == "wheels" else "equally near waypoints"
    counts = [f"{int((by < limit).sum())} within {1000 * limit:g} mm" for limit in NEAR_LIMITS_M]
    return f" ({', '.join(counts)} of {border}; the farthest {1000 * by.max():.1f} mm)"


def _print_put_backs(console: Console, results: list[Result]) -> None:
    """How far from each incident's place the two rules put the car."""
    console.print(
        "\nPut back after an incident: mm from the logged place by the rule that takes the progress "
        "of the step before, and by that of the incident's own\n",
        soft_wrap=True,
    )
    table = _new_table("log", "step", "status", *PUT_BACK_RULES)
    for result in results:
        for one in result["put_backs"]:
            millimetres = [f"{one[rule]:.1f}" for rule in PUT_BACK_RULES]
            table.add_row(result["log"], str(one["steps"]), one["status"], *millimetres)
    console.print(table)


def _error_heads() -> list[str]:
    heads = []
    for steps in open_loop.HORIZONS:
        heads += [f"{steps}: cm", f"{steps}: deg"]
    return heads


def _dynamics_table(results: list[Result]) -> Table:
    table = _new_table("log", "car", "told by", "times", "windows", *_error_heads())
    for result in results:
        times = "tstamp" if result["poses_follow_tstamp"] else "fixed"
        table.add_row(
            result["log"],
            result["car"] or "?",
            _describe_car_origin(result),
            times,
            str(result["windows"]),
            *_error_cells(result["models"]["racer"]),
        )
    return table


def _describe_car_origin(result: Result) -> str:
    candidates = []
    for car, error in result["candidates"].items():
        if error is not None:
            candidates.append(f"{car} {100 * error:.0f}")
    if candidates and result["car_from"] == "best fit":
        return f"best fit ({', '.join(candidates)} cm)"
    return result["car_from"] if result["car"] else "-"


def _error_cells(error: dict[str, Any] | None) -> list[str]:
    if error is None:
        return ["-"] * 2 * len(open_loop.HORIZONS)
    cells = []
    for k in range(len(open_loop.HORIZONS)):
        cells.append(f"{100 * error['position'][k]:.1f} ({100 * error['position_90'][k]:.0f})")
        cells.append(f"{error['heading'][k]:.1f} ({error['heading_90'][k]:.0f})")
    return cells


def _car_table(results: list[Result]) -> Table:
    table = _new_table("car", "logs", "windows", "model", *_error_heads())
    for car, errors in _errors_by_car(results).items():
        for model, error in errors["models"].items():
            counts = (str(errors["logs"]), str(errors["windows"]))
            table.add_row(car, *counts, model, *_error_cells(error))
    return table


def _lap_table(results: list[Result]) -> Table:
    table = _new_table("log", "car", "laps", "mean error %", "mean absolute error %")
    for result in results:
        _add_lap_row(table, result["log"], result["car"], result["laps"])
    for car in _errors_by_car(results):
        of_car = [result for result in results if result["car"] == car]
        distance = [error for result in of_car for error in result["laps"]]
        _add_lap_row(table, f"all laps of {car}", car, distance)
    return table


def _add_lap_row(table: Table, name: str, car: str | None, errors: list[float]) -> None:
    if not errors:
        return
    error = np.array(errors)
    mean = f"{100 * error.mean():+.1f}"
    absolute = f"{100 * np.abs(error).mean():.1f}"
    table.add_row(name, car, str(len(error)), mean, absolute)


if __name__ == "__main__":
    sys.exit(main())
