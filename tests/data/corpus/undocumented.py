# planted: RW308
def reward_function(params):
    return params["speed"] + params["projection_distance"] * 1e-3
