# planted: RW103
def reward_function(params, extra):
    return 1.0
