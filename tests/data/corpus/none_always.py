# planted: RW205
def reward_function(params):
    reward = params["speed"]
