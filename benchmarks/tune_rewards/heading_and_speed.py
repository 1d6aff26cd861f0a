"""Along the road, and fast."""

import math

HEADING = 1.0  # tune: 0.02 .. 2
SPEED = 0.2  # tune: 0.05 .. 3
LIMIT = 10.0  # tune: 5 .. 60
KEEN = 1.0  # tune: 0.5 .. 4


def reward_function(params):
    if not params["all_wheels_on_track"]:
        return 1e-3
    waypoints = params["waypoints"]
    before, after = params["closest_waypoints"]
    dx = waypoints[after][0] - waypoints[before][0]
    dy = waypoints[after][1] - waypoints[before][1]
    error = abs((params["heading"] - math.degrees(math.atan2(dy, dx)) + 180.0) % 360.0 - 180.0)
    along = max(0.0, 1.0 - error / LIMIT)
    return float(HEADING * along + SPEED * (params["speed"] / 4.0) ** KEEN)
