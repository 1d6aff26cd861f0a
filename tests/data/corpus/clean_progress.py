# planted: nothing
def reward_function(params):
    return 1.0 + params["progress"] / params["steps"]
