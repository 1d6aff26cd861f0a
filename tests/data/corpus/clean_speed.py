# planted: nothing
def reward_function(params):
    reward = params["speed"] / 4.0
    if not params["all_wheels_on_track"]:
        reward *= 0.1
    return float(reward)
