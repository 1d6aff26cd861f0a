# planted: RW301 RW302
previous = 0.0


def reward_function(params):
    global previous
    reward = 1.0 - abs(params["steering_angle"] - previous) / 60.0
    previous = params["steering_angle"]
    return reward
