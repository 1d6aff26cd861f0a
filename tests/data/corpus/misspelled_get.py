# planted: RW307
def reward_function(params):
    return params["speed"] + params.get("heading_angle", 0.0)
