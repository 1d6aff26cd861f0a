# planted: RW201
def reward_function(params):
    return params["steps"] / params["progress"]
