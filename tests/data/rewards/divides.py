def reward_function(params):
    speed = params["speed"] - params["speed"]
    return 1.0 / speed
