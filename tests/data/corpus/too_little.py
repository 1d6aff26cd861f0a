# planted: RW204
def reward_function(params):
    return -1e6 if params["is_offtrack"] else 1.0
