# planted: RW204
def reward_function(params):
    return 10.0 ** (params["speed"] * 2)
