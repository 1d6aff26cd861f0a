def reward_function(params):
    return float(len(str(7 ** 10**8)))
