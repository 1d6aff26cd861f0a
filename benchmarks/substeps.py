"""How many integration steps a control step needs: the error against a very fine integration, and
what a step costs.

    python benchmarks/substeps.py [--json]

Cars of every generation drive random commands over their known range, each held for a few steps, 15
steps a second. The error after one step and after one second is to be judged beside that of the
model itself on real logs (fidelity.py): 2 to 4 cm after 5 steps, 7 to 12 cm after a second.
"""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from racer.vehicle.car import CARS, STEP_S, Car, car_table
from racer.vehicle.dynamics import advance_motion

SUBSTEPS = (1, 2, 3, 4, 6, 8, 12, 16)
REFERENCE = 1000
EPISODES, STEPS = 400, 60
SECOND = 15  # steps

Array = NDArray[np.float64]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print data instead of a table")
    as_json = parser.parse_args().json
    found = [row for car in CARS.values() for row in measure(car)]
    if as_json:
        print(json.dumps(found, indent=1))
        return
    print(
        "Error of the integration under random commands: median, 99th percentile, over",
        EPISODES * STEPS,
        "steps",
    )
    print(
        f"{'car':4} {'substeps':>8}   {'1 step, mm':>14} {'1 second, mm':>16} {'1 second, deg':>16} {'ns a step':>10}"
    )
    for row in found:
        cells = [
            f"{row[name][0]:.2f}, {row[name][1]:.1f}"
            for name in ("step_mm", "second_mm", "second_deg")
        ]
        name = f"{row['car']:4} {row['substeps']:>8}{' *' if row['chosen'] else '':2}"
        print(f"{name} {cells[0]:>14} {cells[1]:>16} {cells[2]:>16} {row['ns']:>10.0f}")
    print("* the number in racer.vehicle.car")


def measure(car: Car) -> list[dict[str, Any]]:
    """One row for each number of substeps: errors (median, 99th percentile) and ns a step."""
    command = commands(car, np.random.default_rng(0))
    exact = drive(_with(car, REFERENCE), command)
    return [_row(car, n, command, exact) for n in SUBSTEPS]


def commands(car: Car, generator: np.random.Generator) -> Array:
    """(EPISODES, STEPS, 2) steering deg and speed m/s, each held for one to ten steps."""
    drawn = generator.uniform([-30.0, 0.1], [30.0, car.identified_speed], (EPISODES, STEPS, 2))
    change = generator.random((EPISODES, STEPS)) < generator.uniform(0.1, 1.0, (EPISODES, 1))
    change[:, 0] = True
    held = np.maximum.accumulate(np.where(change, np.arange(STEPS), 0), axis=1)
    return np.asarray(drawn[np.arange(EPISODES)[:, None], held])


def drive(car: NDArray[np.void], command: Array) -> Array:
    """(EPISODES, STEPS + 1, 7) motion of cars that begin at rest."""
    motion = np.zeros((*command.shape[:2], 7))
    motion = np.concatenate([motion[:, :1], motion], axis=1)
    _drive(car[0], command, motion)
    return motion


@njit(cache=True, error_model="numpy")
def _drive(car: Any, command: Any, motion: Any) -> None:
    for e in range(command.shape[0]):
        state = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
        for k in range(command.shape[1]):
            state = _one(car, command, e, k, state)
            _write(motion, e, k + 1, state)


@njit(cache=True, error_model="numpy")
def _again(car: Any, command: Any, exact: Any, steps: int, out: Any) -> None:
    """Motion after `steps` steps from every state of the exact one."""
    for e in range(command.shape[0]):
        for k in range(command.shape[1] - steps + 1):
            m = exact[e, k]
            state = (m[0], m[1], m[2], m[3], m[4], m[5], m[6])
            for j in range(steps):
                state = _one(car, command, e, k + j, state)
            _write(out, e, k, state)


@njit(cache=True, error_model="numpy", inline="always")
def _one(car: Any, command: Any, e: int, k: int, state: Any) -> Any:
    before = (command[e, k - 1, 0], command[e, k - 1, 1]) if k > 0 else (0.0, 0.0)
    return advance_motion(
        car, state, before, (command[e, k, 0], command[e, k, 1]), car.delay, STEP_S
    )


@njit(cache=True, error_model="numpy", inline="always")
def _write(table: Any, e: int, k: int, state: Any) -> None:
    for i in range(7):
        table[e, k, i] = state[i]


def _with(car: Car, substeps: int) -> NDArray[np.void]:
    row = car_table(car, 1)
    row["substeps"] = substeps
    return row


def _row(car: Car, substeps: int, command: Array, exact: Array) -> dict[str, Any]:
    row = _with(car, substeps)
    one, second = (_errors(row, command, exact, steps) for steps in (1, SECOND))
    drive(row, command)
    begun = time.perf_counter()
    drive(row, command)
    return {
        "car": car.name,
        "substeps": substeps,
        "chosen": substeps == car.substeps,
        "step_mm": _summary(1000.0 * one[0]),
        "second_mm": _summary(1000.0 * second[0]),
        "second_deg": _summary(second[1]),
        "ns": 1e9 * (time.perf_counter() - begun) / (EPISODES * STEPS),
    }


def _errors(row: NDArray[np.void], command: Array, exact: Array, steps: int) -> tuple[Array, Array]:
    """Distances, m, and angles, deg, between the motion after `steps` steps and the exact one."""
    out = np.empty((EPISODES, STEPS - steps + 1, 7))
    _again(row[0], command, exact, steps, out)
    off = out - exact[:, steps:]
    turned = np.degrees(np.abs(np.mod(off[..., 2] + np.pi, 2.0 * np.pi) - np.pi))
    return np.hypot(off[..., 0], off[..., 1]), turned


def _summary(error: Array) -> list[float]:
    return [float(np.median(error)), float(np.quantile(error, 0.99))]


if __name__ == "__main__":
    main()
