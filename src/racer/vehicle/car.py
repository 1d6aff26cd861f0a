"""The car: its geometry, what it does with a command, and how far logs have shown that.

The vehicle is a single-track model with smooth Coulomb friction at both axles, fitted to real logs
(docs/fidelity.md gives the equations, parameters and errors). Three generations of the simulator
drive differently: `v4`, `v5` and `v6`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from math import inf

import numpy as np
from numpy.typing import NDArray

from racer.errors import UsageError, did_you_mean

FRONT_POINT_M = 0.14
"""From the chassis origin to the point that params and logs call x, y."""

WHEEL_CENTERS_M = (
    (-0.081663, 0.08105),
    (0.082311, 0.079601),
    (-0.081663, -0.08105),
    (0.082311, -0.079601),
)
"""Ahead of the chassis origin, and to the left of it."""

FOOTPRINT_M = (0.32352, 0.1961)
"""Length and width of the simulator's collision rectangle about the chassis origin (docs/simulator.md
2.4)."""

STEERING_LIMIT_DEG = 30.0
"""The simulator turns the wheels no further, whatever a command says (docs/simulator.md 3.2)."""

SPEED_LIMITS_MPS = (0.1, 4.0)
"""The simulator drives neither slower nor faster, whatever a command says (docs/simulator.md 3.2, 9.3); a
car that is held has no command, which is a speed of 0."""

PUT_BACK_RULES = ("before", "own")
"""Where the simulator puts a car back that has left the road, stood still or driven backward: at the
progress of the step before, or at that of the incident itself (docs/simulator.md 9.1)."""

STEP_S = 1.0 / 15.0
"""A step is a camera frame (docs/simulator.md 3.1)."""

DEFAULT_CAR = "v6"
"""The car where none is named."""


@dataclass(frozen=True)
class Car:
    """Parameters of the vehicle model: accelerations in m/s2, speeds in m/s, lengths in m, times in
    s.

    A tyre force per unit of mass is `-limit * slip / sqrt(slip**2 + soft**2)` over the sliding
    speed `slip`.

    Examples
    --------
    >>> from dataclasses import replace
    >>> from racer import drive
    >>> from racer.vehicle import CARS
    >>> slick = replace(CARS["v5"], name="slick", front_limit=3.0)
    >>> round(drive("oval", "fast", "v5").lap_time, 2), round(drive("oval", "fast", slick).lap_time, 2)
    (10.67, 11.0)
    """

    name: str
    front_gain: float  # wheel speed over command (and speed_offset), front axle
    rear_gain: float
    drive_limit: float  # along the wheel, both axles
    drive_soft: float
    front_limit: float  # across the front wheels
    front_soft: float
    rear_limit: float  # across the rear wheels
    rear_soft: float
    inertia: float  # yaw inertia over mass, m2
    steer_lag: float  # time constant of the steering
    steer_jump: float  # fraction of a steering change that is immediate
    delay: float  # from a step's beginning until its command arrives, less than two steps
    drag: float  # 1/m, deceleration over speed squared
    side_limit: float  # cap on the friction of both axles together, across the car, m/s2
    identified_speed: float  # fastest command that logs cover
    identified_lateral: float  # hardest cornering that logs cover, m/s2
    substeps: int  # integration steps a control step
    front_axle: float = 0.0823  # m ahead of the center of mass, which is at the chassis origin
    rear_axle: float = 0.0817
    speed_offset: float = 0.0  # m/s by which wheels that drive turn faster than they are told
    put_back: str = "own"  # one of PUT_BACK_RULES: v4 and v5 since release 5.0.9 have "before"


V4 = Car(
    name="v4",
    front_gain=0.891,
    rear_gain=1.137,
    drive_limit=4.478,
    drive_soft=0.251,
    front_limit=3.413,
    front_soft=0.199,
    rear_limit=40.0,
    rear_soft=2.05,
    inertia=0.0200,
    steer_lag=0.355,
    steer_jump=0.217,
    delay=0.0,
    drag=0.058,
    side_limit=inf,
    identified_speed=4.0,
    identified_lateral=inf,
    substeps=4,
    speed_offset=0.05,
)
V5 = Car(
    name="v5",
    front_gain=0.885,
    rear_gain=1.274,
    drive_limit=3.594,
    drive_soft=0.305,
    front_limit=3.271,
    front_soft=0.213,
    rear_limit=3.596,
    rear_soft=0.069,
    inertia=0.0127,
    steer_lag=0.008,
    steer_jump=0.0,
    delay=0.0,
    drag=0.074,
    side_limit=inf,
    identified_speed=4.0,
    identified_lateral=inf,
    substeps=4,
)
V6 = Car(
    name="v6",
    front_gain=0.931,
    rear_gain=1.123,
    drive_limit=21.4,
    drive_soft=0.070,
    front_limit=19.4,
    front_soft=0.426,
    rear_limit=15.2,
    rear_soft=0.026,
    inertia=0.0076,
    steer_lag=0.150,
    steer_jump=0.0,
    delay=0.020,
    drag=0.0,
    side_limit=6.5,
    identified_speed=2.5,
    identified_lateral=6.5,
    substeps=6,
    put_back="before",
)

CARS = {car.name: car for car in (V4, V5, V6)}


CAR_PARAMETERS = np.dtype(
    [(field.name, np.float64) for field in fields(Car) if field.name not in ("name", "put_back")]
)


def car_preset(name: str) -> Car:
    """The car generation of that name: v4, v5 or v6. Raises UsageError."""
    if name not in CARS:
        guess = did_you_mean(name, list(CARS))
        raise UsageError(f"unknown car {name!r}{guess} (cars: {', '.join(CARS)})")
    return CARS[name]


def car_table(car: Car, n: int) -> NDArray[np.void]:
    """(n,) equal rows of `CAR_PARAMETERS`, for `n` cars; a row may then be changed, as domain
    randomization does.
    """
    table = np.zeros(n, CAR_PARAMETERS)
    for name in CAR_PARAMETERS.names or ():
        table[name] = getattr(car, name)
    return table
