# planted: RW314
def reward_function(params):
    return 1.0 if params["steering_angle"] > 0 else 0.5
