def reward_function(params):
    reward = float("nan")
    return reward
