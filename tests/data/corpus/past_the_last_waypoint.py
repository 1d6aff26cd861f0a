# planted: RW201
def reward_function(params):
    waypoints = params["waypoints"]
    x, y = waypoints[params["closest_waypoints"][1] + 1]
    return abs(x - params["x"]) + abs(y - params["y"])
