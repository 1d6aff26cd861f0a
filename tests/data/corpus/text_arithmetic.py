# planted: RW201
def reward_function(params):
    return "speed " + params["speed"]
