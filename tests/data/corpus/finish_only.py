# planted: RW201
def reward_function(params):
    if params["progress"] == 100:
        return 10.0 / (100 - params["progress"])
    return 1.0
