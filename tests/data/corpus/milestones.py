# planted: RW319
def reward_function(params):
    reward = params["speed"]
    if int(params["progress"]) % 25 == 0:
        reward += 50.0
    return reward
