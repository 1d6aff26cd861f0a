# planted: RW201
def reward_function(params):
    return reward
