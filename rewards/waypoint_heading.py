"""Point the car along the road.

Teaches: the direction of the road comes from the two waypoints around the car, and an angle between two directions
must be brought back into -180..180 degrees before it is compared.
Weakness: the direction of the road here and now says nothing about the next corner, so the car turns in late; and like
everything that pays per step it does not ask for speed.
"""

import math


def reward_function(params):
    if not params["all_wheels_on_track"]:
        return 1e-3

    waypoints = params["waypoints"]
    before, after = params["closest_waypoints"]
    dx = waypoints[after][0] - waypoints[before][0]
    dy = waypoints[after][1] - waypoints[before][1]
    road = math.degrees(math.atan2(dy, dx))

    error = abs((params["heading"] - road + 180.0) % 360.0 - 180.0)
    # one when straight along the road, nearly zero at 30 degrees and beyond
    return float(max(1e-3, 1.0 - error / 30.0))
