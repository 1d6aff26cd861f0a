# planted: RW201
def more(value):
    return more(value + 1)


def reward_function(params):
    return more(0)
