# planted: RW301 RW302
class Memory:
    steps = 0


def reward_function(params):
    Memory.steps += 1
    return 1.0 / Memory.steps
