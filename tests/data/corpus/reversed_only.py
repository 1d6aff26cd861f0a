# planted: RW201
def reward_function(params):
    if params["is_reversed"]:
        raise ValueError("wrong way")
    return params["speed"]
