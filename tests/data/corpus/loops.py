# planted: RW206
def reward_function(params):
    while params["speed"] > 0.0:
        pass
    return 1.0
