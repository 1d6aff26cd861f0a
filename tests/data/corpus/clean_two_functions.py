# planted: nothing
def smooth(angle):
    return max(1.0 - abs(angle) / 30.0, 0.01)


def reward_function(params):
    return smooth(params["steering_angle"]) * params["speed"]
