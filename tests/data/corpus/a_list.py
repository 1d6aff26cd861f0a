# planted: RW205
def reward_function(params):
    return [params["speed"]]
