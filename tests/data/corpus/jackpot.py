# planted: RW313
def reward_function(params):
    if params["progress"] == 100:
        return 10000.0
    return params["speed"]
