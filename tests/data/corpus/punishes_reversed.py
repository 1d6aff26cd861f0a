# planted: RW317
def reward_function(params):
    if params["is_reversed"]:
        return 1e-3
    return params["speed"]
