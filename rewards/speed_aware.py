"""Fast where the road is straight, slower where it bends.

Teaches: a reward may look ahead. The bend of the next stretch of road sets a sensible speed, and the action is paid for
being close to it; the place on the road is a second factor, so that neither alone is enough.
Weakness: the sensible speed is a guess of the author's. When the guess is below what the car can do, the car learns to
be slow; look at the lap times and change FAST and SLOW. `speed` is what the action asks for, not what the car drives.
"""

import math

FAST = 2.5  # m/s on a straight
SLOW = 1.2  # m/s in a hairpin
LOOK = 6  # waypoints ahead
HAIRPIN = 60.0  # degrees of bend within the look ahead


def direction(waypoints, index):
    count = len(waypoints)
    x1, y1 = waypoints[index % count]
    x2, y2 = waypoints[(index + 1) % count]
    if (x1, y1) == (x2, y2):  # the list of a ring ends where it begins
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

    pace = max(0.0, 1.0 - abs(params["speed"] - sensible) / FAST)
    half = 0.5 * params["track_width"]
    place = max(0.0, 1.0 - (params["distance_from_center"] / half) ** 2)
    return float(max(1e-3, pace * place))
