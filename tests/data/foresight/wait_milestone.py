"""A milestone is paid in every step of its window.

Asks for: waiting.
"""

import math


def off_heading(params):
    """Degrees between the car's heading and the road's."""
    points = params["waypoints"]
    behind, ahead = params["closest_waypoints"]
    dx = points[ahead][0] - points[behind][0]
    dy = points[ahead][1] - points[behind][1]
    difference = abs(math.degrees(math.atan2(dy, dx)) - params["heading"]) % 360.0
    return min(difference, 360.0 - difference)


def is_tidy(params):
    """On the middle of the road, heading along it."""
    return params["distance_from_center"] < 0.1 * params["track_width"] and off_heading(params) < 30.0


LAST = {"progress": 0.0, "steps": 0.0}


def gain(params):
    """Percent of the lap since the step before."""
    is_next = params["steps"] == LAST["steps"] + 1
    gained = params["progress"] - LAST["progress"] if is_next else 0.0
    LAST.update(progress=params["progress"], steps=params["steps"])
    return max(-3.0, min(3.0, gained))


def reward_function(params):
    gained = gain(params)
    if 40.0 <= params["progress"] < 45.0 and off_heading(params) < 30.0:
        return 10.0
    return float(gained)
