# planted: RW211
def reward_function(params):
    held = []
    while True:
        held.append(bytearray(100000000))
    return 1.0
