# planted: RW310
def reward_function(params):
    reward = 1.0
    if params["speed"] > 10:
        reward = 5.0
        reward += params["speed"]
    return reward + params["speed"]
