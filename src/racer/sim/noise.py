"""What varies from step to step and from car to car: step times, latency, grip, gains, lags. Off by
default.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from racer.errors import UsageError, did_you_mean
from racer.vehicle import STEP_S

SHORTEST_STEP_S = 0.02  # s: no jitter makes a step shorter, as none in the logs is


@dataclass(frozen=True)
class Noise:
    """How much varies. Fractions are half-widths of uniform distributions around 1, drawn anew for
    every episode.
    """

    step_jitter: float = 0.0  # s, standard deviation of the time that a step lasts
    latency: float = 0.0  # s, from choosing an action until it acts, on top of the car's own delay
    grip: float = 0.0  # fraction by which all friction limits vary
    gain: float = 0.0  # fraction by which wheel speed over command varies
    lag: float = 0.0  # fraction by which the steering lag varies

    @property
    def varies_cars(self) -> bool:
        """Whether cars differ from episode to episode."""
        return max(self.grip, self.gain, self.lag) > 0.0


NOISES = {
    "none": Noise(),
    "jitter": Noise(step_jitter=0.010),  # what real logs show
    "robust": Noise(step_jitter=0.010, latency=0.020, grip=0.15, gain=0.05, lag=0.25),
}


def read_noise(source: str | Mapping[str, float] | Noise) -> Noise:
    """The setting of that name, or one made from a mapping of its fields. Raises UsageError."""
    if isinstance(source, Noise):
        return source
    if isinstance(source, str):
        if source not in NOISES:
            guess = did_you_mean(source, list(NOISES))
            raise UsageError(f"unknown noise {source!r}{guess} (settings: {', '.join(NOISES)})")
        return NOISES[source]
    known = [field.name for field in fields(Noise)]
    for name, value in source.items():
        if name not in known:
            guess = did_you_mean(name, known)
            raise UsageError(f"unknown noise {name!r}{guess} (there are {', '.join(known)})")
        if not 0.0 <= value < 1.0:
            raise UsageError(f"noise {name} must be at least 0 and below 1, not {value}")
    noise = Noise(**source)
    if noise.latency > STEP_S:
        raise UsageError(f"a latency of {noise.latency} s is longer than a step, {STEP_S:.3f} s")
    return noise


def step_durations(noise: Noise, generators: list[np.random.Generator]) -> NDArray[np.float64]:
    """(N,) s that the next step of each car lasts."""
    if noise.step_jitter == 0.0:
        return np.full(len(generators), STEP_S)
    durations = [generator.normal(STEP_S, noise.step_jitter) for generator in generators]
    return np.asarray(np.clip(durations, SHORTEST_STEP_S, 2.0 * STEP_S - SHORTEST_STEP_S))


def vary_cars(
    cars: NDArray[np.void], noise: Noise, generator: np.random.Generator
) -> NDArray[np.void]:
    """A copy of rows of `car.CAR_PARAMETERS`, as they are for one episode."""
    varied = cars.copy()
    half_widths = np.array([noise.grip, noise.gain, noise.lag])
    grip, gain, lag = 1.0 + half_widths * generator.uniform(-1.0, 1.0, 3)
    for name in ("front_limit", "rear_limit", "drive_limit", "side_limit"):
        varied[name] *= grip
    for name in ("front_gain", "rear_gain"):
        varied[name] *= gain
    varied["steer_lag"] *= lag
    return varied
