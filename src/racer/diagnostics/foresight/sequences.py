"""Sequences of commands, and small changes of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from racer.drivers import Drive

Array = NDArray[np.float64]

WINDOW_STEPS = (3, 30)
STEERING_STEP_DEG = 8.0
SPEED_STEP_MPS = 0.6
EXTRA_STEPS = 6  # that a sequence goes on after its last command


def commands_of(drive: Drive) -> Array:
    """(T, 2) the commands of a drive: steering deg, speed m/s."""
    return np.column_stack([drive.rows["steer_command_deg"], drive.rows["speed_command"]])


def sequence_difference(sequence: Array, commands: Array) -> Array:
    """(T, 2) what a sequence changes, as far as both go."""
    count = min(len(sequence), len(commands))
    return np.asarray(sequence[:count] - commands[:count])


def changed_sequence(
    commands: Array, size: float, rng: np.random.Generator, choices: Array
) -> Array:
    """A sequence with a window of it changed: a bump, a wave, or one command all through, of
    the `choices` (K, 2) where there are some. A command may be beyond the limits.
    """
    sequence = np.vstack([commands, np.repeat(commands[-1:], EXTRA_STEPS, axis=0)])
    width = int(rng.integers(*WINDOW_STEPS))
    begin = int(rng.integers(0, len(commands)))
    end = min(len(sequence), begin + width)
    shape = np.sin(np.pi * (np.arange(width) + 0.5) / width)[:, None]
    step = np.array([STEERING_STEP_DEG, SPEED_STEP_MPS]) * size
    change = shape * step * rng.standard_normal(2) * rng.choice([1.0, 1.0, 0.3])
    kind = rng.random()
    if kind < 0.3:
        phase = rng.uniform(0.0, 2.0 * np.pi) + np.arange(width) * rng.uniform(0.2, 3.0)
        change = change * np.sin(phase)[:, None]
    sequence[begin:end] += change[: end - begin]
    if len(choices) and kind > 0.6:
        sequence[begin:end] = choices[rng.integers(len(choices))]
    return sequence
