# planted: nothing
def reward_function(params):
    return 1 if params["all_wheels_on_track"] else 0
