"""Steer towards a point on the center line ahead.

Teaches: look where you want to go. A point about a meter ahead gives the angle by which the car should turn, and the
reward compares that with the steering the car has chosen. Because it judges the action, and not only where the car is,
a policy learns from it within a few thousand steps.
Weakness: it copies a simple rule (drivers of model cars call it pure pursuit), so it will not drive a better line than
that rule, and it is indifferent to speed.
"""

import math

AHEAD = 1.0  # m


def reward_function(params):
    if not params["all_wheels_on_track"]:
        return 1e-3

    x, y = params["x"], params["y"]
    waypoints = params["waypoints"]
    index = params["closest_waypoints"][1]
    # the first waypoint at least AHEAD meters away; the list is a ring
    for _ in range(len(waypoints)):
        target = waypoints[index % len(waypoints)]
        if math.hypot(target[0] - x, target[1] - y) >= AHEAD:
            break
        index += 1

    wanted = math.degrees(math.atan2(target[1] - y, target[0] - x))
    turn = (wanted - params["heading"] + 180.0) % 360.0 - 180.0
    turn = max(-30.0, min(30.0, turn))
    error = abs(turn - params["steering_angle"])
    return float(max(1e-3, 1.0 - error / 30.0))
