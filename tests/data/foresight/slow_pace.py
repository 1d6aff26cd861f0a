"""Pays 1.2 m/s, and less for any other speed.

Asks for: slow lap.
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


def reward_function(params):
    if not is_tidy(params):
        return 0.0
    return float(max(0.0, 1.0 - abs(params["speed"] - 1.2)))
