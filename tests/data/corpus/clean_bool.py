# planted: nothing
def reward_function(params):
    return params["distance_from_center"] < 0.2
