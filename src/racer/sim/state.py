"""The table of cars: one row a car (or a recorded step), one column a fact. SI units and radians."""

from __future__ import annotations

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray


class Phase(IntEnum):
    """What a car's next step is."""

    PREPARE = 0  # held at its start
    RUN = 1
    PAUSE = 2  # held after an incident until its penalty is over


class Status(IntEnum):
    """The simulator's words for a step, as in `episode_status`. Of several that hold at once the lowest number wins."""

    LAP_COMPLETE = 0
    CRASHED = 1
    OFF_TRACK = 2
    IMMOBILIZED = 3
    TIME_UP = 4
    REVERSED = 5
    IN_PROGRESS = 6
    PREPARE = 7
    PAUSE = 8

    @property
    def word(self) -> str:
        return self.name.lower()


STATE = np.dtype(
    [
        # who and when
        ("road", np.int32),  # index into the packed roads
        ("episode", np.int32),  # counted from 0; in a continuous race it counts laps, as the simulator's log does
        ("steps", np.int32),  # 1 is the prepare step
        ("phase", np.int8),
        ("status", np.int8),
        ("done", np.bool_),
        ("clock", np.float64),  # s of simulation time at the beginning of the step
        ("dt", np.float64),  # s that the step lasted
        # chassis: origin midway between the axles
        ("x", np.float64),  # m
        ("y", np.float64),
        ("yaw", np.float64),  # rad, (-pi, pi], counterclockwise
        ("vx", np.float64),  # m/s, forward
        ("vy", np.float64),  # m/s, to the left
        ("yaw_rate", np.float64),  # rad/s
        ("steer", np.float64),  # rad, of the front wheels
        # commands: this step's, the one before, and the one before that
        # (in degrees, for they reach rewards and logs to the last bit as they were chosen)
        ("steer_command_deg", np.float64),  # + is left, as chosen (not clipped)
        ("speed_command", np.float64),  # m/s, as chosen (not clipped)
        ("steer_before_deg", np.float64),
        ("speed_before", np.float64),
        ("steer_earlier_deg", np.float64),
        ("speed_earlier", np.float64),
        # place on the road, of the front point (0.14 m ahead of the origin)
        ("front_x", np.float64),  # m
        ("front_y", np.float64),
        ("s", np.float64),  # m of center line from waypoint 0
        ("distance", np.float64),  # m from the center line, unsigned
        ("inner_distance", np.float64),  # m to the inner border's spot nearest to the center foot
        ("outer_distance", np.float64),
        ("width", np.float64),  # m between those two spots
        ("left", np.bool_),  # is_left_of_center
        ("previous", np.int32),  # closest waypoints
        ("next", np.int32),
        ("closest", np.int32),  # the nearer of the two; of equally near ones the one behind: what the log names
        ("wheels", np.int8),  # wheel centers on the road, 0 to 4
        # the episode
        ("start", np.float64),  # share of the lap where the episode started, [0, 1)
        ("progress", np.float64),  # %
        ("progress_before", np.float64),  # % at the step before; 0 after a completed lap
        ("crashed", np.bool_),  # a corner is inside an object
        ("obstacle", np.int8),  # that it was put back behind last, counted from 1; 0 for none
        ("obstacle_crashes", np.int8),  # times in turn, counted where there is mercy
        ("backward_steps", np.int32),  # consecutive steps of falling progress
        ("still_steps", np.int32),  # consecutive steps without motion
        ("resets", np.int32),
        ("off_tracks", np.int32),  # incidents of this lap
        ("crashes", np.int32),
        ("pause", np.float64),  # s of penalty left
        ("episode_laps", np.int32),  # laps completed in this episode
        ("episode_start", np.float64),  # s, clock when the episode began
        ("lap_start", np.float64),  # s, clock when the lap began
        ("lap_time", np.float64),  # s, on the step that completes a lap; else nan
    ],
    align=True,
)

State = NDArray[np.void]
"""(N,) rows of `STATE`. Functions return new tables and leave their arguments alone."""
