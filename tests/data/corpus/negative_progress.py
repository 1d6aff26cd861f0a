# planted: RW205
def reward_function(params):
    return params["progress"] ** 0.5
