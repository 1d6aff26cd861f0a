# planted: RW201
def reward_function(params):
    return 5.0 / abs(params["steering_angle"])
