# planted: RW318
import math


def reward_function(params):
    here, there = params["closest_waypoints"]
    x0, y0 = params["waypoints"][here]
    x1, y1 = params["waypoints"][there]
    road = math.atan2(y1 - y0, x1 - x0)
    return 1.0 / (1.0 + abs(road - params["heading"]))
