TABLE = [1, 2, 3]
LAST = TABLE[3]


def reward_function(params):
    return 1.0
