# planted: RW201
def reward_function(params):
    if params["steering_angle"] > 29.5 and params["speed"] > 3.7:
        return [][0]
    return params["speed"]
