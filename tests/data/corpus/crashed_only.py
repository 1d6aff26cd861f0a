# planted: RW201
def reward_function(params):
    if params["is_crashed"]:
        return {}["crash"]
    return params["speed"]
