def reward_function(params):
    params["waypoints"].clear()
    speed = params.pop("speed")
    return speed / 0
