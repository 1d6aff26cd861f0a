"""Drive fast, and stay on the track.

Pays every step for the speed along the road: the command times how well the car points where the road goes. Nothing
is paid for the middle of the track, so the car may find its own line; next to nothing is paid off the track.
"""

import math


def reward_function(params):
    """From next to nothing to 4: the faster along the road, the more."""
    if not params["all_wheels_on_track"]:
        return 1e-3

    behind, ahead = params["closest_waypoints"]
    here, there = params["waypoints"][behind], params["waypoints"][ahead]
    road = math.degrees(math.atan2(there[1] - here[1], there[0] - here[0]))
    off = (params["heading"] - road + 180.0) % 360.0 - 180.0

    along = params["speed"] * math.cos(math.radians(off))
    return float(max(along, 1e-3) ** 2)
