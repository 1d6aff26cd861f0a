def reward_function(params):
    return float(sum(range(10**13)))
