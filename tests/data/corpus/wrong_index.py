# planted: RW201
def reward_function(params):
    return params["waypoints"]["0"]
