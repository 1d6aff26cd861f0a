def reward_function(params):
    return params["sped"]
