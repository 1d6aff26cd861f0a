# planted: nothing
import math


def reward_function(params):
    waypoints = params["waypoints"]
    before, ahead = params["closest_waypoints"]
    x0, y0 = waypoints[before]
    x1, y1 = waypoints[ahead]
    direction = math.degrees(math.atan2(y1 - y0, x1 - x0))
    difference = abs(direction - params["heading"])
    if difference > 180:
        difference = 360 - difference
    return 1.0 if difference < 10 else 0.5 if difference < 30 else 1e-3
