# planted: RW201
def reward_function(params):
    if params["is_offtrack"]:
        return penalty
    return 1.0
