# planted: nothing
def reward_function(params):
    waypoints = params["waypoints"]
    target = waypoints[(params["closest_waypoints"][1] + 8) % len(waypoints)]
    gap = ((target[0] - params["x"]) ** 2 + (target[1] - params["y"]) ** 2) ** 0.5
    return 1.0 / (1.0 + gap)
