# planted: RW201
def reward_function(params):
    return params["progress"] / (params["steps"] - 2)
