# planted: RW201
def reward_function(params):
    if params["all_wheels_on_track"]:
        reward = 1.0
    return reward
