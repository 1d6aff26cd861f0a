# planted: RW304
def reward_function(params):
    print("speed", params["speed"])
    return params["speed"]
