"""A sensible speed for the bend ahead."""

import math

FAST = 1.6  # tune: 1 .. 4
SLOW = 0.8  # tune: 0.5 .. 3
LOOK = 3  # tune: 2 .. 14
HAIRPIN = 25.0  # tune: 10 .. 120
SHARP = 1.0  # tune: 1 .. 6


def direction(waypoints, index):
    count = len(waypoints)
    x1, y1 = waypoints[index % count]
    x2, y2 = waypoints[(index + 2) % count]
    return math.degrees(math.atan2(y2 - y1, x2 - x1))


def reward_function(params):
    if not params["all_wheels_on_track"]:
        return 1e-3
    waypoints = params["waypoints"]
    here = params["closest_waypoints"][0]
    bend = direction(waypoints, here + LOOK) - direction(waypoints, here)
    bend = abs((bend + 180.0) % 360.0 - 180.0)
    sensible = FAST - (FAST - SLOW) * min(1.0, bend / HAIRPIN)
    pace = max(0.0, 1.0 - abs(params["speed"] - sensible) / 4.0)
    return float(max(1e-3, pace**SHARP))
