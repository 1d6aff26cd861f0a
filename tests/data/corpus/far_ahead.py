# planted: RW201
def reward_function(params):
    waypoints = params["waypoints"]
    return waypoints[params["closest_waypoints"][1] + 5][0] ** 2
