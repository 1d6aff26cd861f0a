def reward_function(params):
    if params["speed"] > 1
        return 1.0
