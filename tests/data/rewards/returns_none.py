def reward_function(params):
    if params["speed"] > 100:
        return 1.0
