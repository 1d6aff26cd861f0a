"""The commands that a policy can give: discrete or continuous actions.

Steering is kept in the degrees that the user wrote, because reward functions and logs see exactly
those (docs/simulator.md 3.5); only the vehicle model turns them into radians.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from racer.errors import RacerError
from racer.vehicle.car import STEERING_LIMIT_DEG, Car

Array = NDArray[np.float64]

DEFAULT_LOWEST_SPEED_MPS = 0.5  # of a continuous space, where none is given


@dataclass(frozen=True)
class ActionSpace:
    """The commands a policy can give, in degrees (positive to the left) and m/s.

    Discrete: action k is the command `steering_deg[k], speed[k]`. Continuous: the two entries of
    each are low and high, and an action is a point in [-1, 1] x [-1, 1].

    >>> space = ActionSpace(is_continuous=False, steering_deg=(-20.0, 0.0, 20.0), speed=(1.0, 2.0, 1.0))
    >>> space.command_deg([0, 1]).tolist()
    [[-20.0, 1.0], [0.0, 2.0]]
    """

    is_continuous: bool
    steering_deg: tuple[float, ...]
    speed: tuple[float, ...]

    @classmethod
    def default(cls, car: Car) -> ActionSpace:
        """Continuous: all angles that the wheels turn to, from 0.5 m/s to the fastest command that
        logs of this car cover.
        """
        return cls(
            is_continuous=True,
            steering_deg=(-STEERING_LIMIT_DEG, STEERING_LIMIT_DEG),
            speed=(DEFAULT_LOWEST_SPEED_MPS, car.identified_speed),
        )

    @property
    def size(self) -> int:
        """The number of actions of a discrete space, the number of axes (2) of a continuous one."""
        return len(self.speed)

    @property
    def low(self) -> Array:
        """(2,) smallest steering, rad, and speed, m/s."""
        return np.array([np.radians(min(self.steering_deg)), min(self.speed)])

    @property
    def high(self) -> Array:
        """(2,) largest steering, rad, and speed, m/s."""
        return np.array([np.radians(max(self.steering_deg)), max(self.speed)])

    def command_deg(self, action: ArrayLike) -> Array:
        """(N, 2) steering in degrees and speed in m/s, as reward functions and logs see them: not
        clipped to the car.

        `action` is (N,) list positions, or (N, 2) points that are first clipped to [-1, 1]
        (docs/simulator.md 3.5). A discrete position outside the list raises IndexError: that is a
        bug of the caller. Raises RacerError for points that are no numbers.
        """
        if not self.is_continuous:
            return self._table[_check_positions(action, self.size)]
        commands = np.array(action, dtype=np.float64, order="C").reshape(-1, 2)
        car = _scale_points(commands, *self._low_and_half_range)
        if car >= 0:
            point = np.reshape(action, (-1, 2))[car].tolist()
            raise RacerError(
                f"the action of car {car} is {point}, no numbers: look at the policy that gave it"
            )
        return commands

    def logged(self, action: ArrayLike) -> list[str]:
        """The `action` column of a log, one text an action: the index, or `[steer speed]`
        (docs/simulator.md 6.1).
        """
        if not self.is_continuous:
            return [str(position) for position in _check_positions(action, self.size).tolist()]
        return [f"[{steering} {speed}]" for steering, speed in self.command_deg(action).tolist()]

    @cached_property
    def _low_and_half_range(self) -> tuple[Array, Array]:
        low, high = self._table
        return low, (high - low) / 2.0

    @cached_property
    def _table(self) -> Array:
        return np.column_stack([self.steering_deg, self.speed]).astype(np.float64)


def _check_positions(action: ArrayLike, size: int) -> NDArray[np.intp]:
    """(N,) the positions of actions in a list of `size`. Raises IndexError for others."""
    positions = np.array(action, dtype=np.intp).reshape(-1)
    # a negative number is a large one without a sign
    if np.count_nonzero(positions.view(np.uintp) < size) < len(positions):
        raise IndexError(
            f"discrete action outside 0..{size - 1}: {positions.min()}..{positions.max()}"
        )
    return positions


@njit(cache=True, error_model="numpy")
def _scale_points(points, low, half_range):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Turn points of [-1, 1] x [-1, 1], clipped to it, into commands.

    The first row that has a nan, at which it ends; -1 where there is none.
    """
    for i in range(len(points)):
        for k in range(2):
            coordinate = points[i, k]
            if np.isnan(coordinate):
                return i
            if coordinate < -1.0:
                coordinate = -1.0
            elif coordinate > 1.0:
                coordinate = 1.0
            points[i, k] = (coordinate + 1.0) * half_range[k] + low[k]
    return -1
