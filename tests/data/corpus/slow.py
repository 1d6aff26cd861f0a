# planted: RW207
def reward_function(params):
    total = 0
    for k in range(200000):
        total += k % 7
    return params["speed"] + total * 1e-9
