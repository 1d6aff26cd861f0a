import sys

sys.setrecursionlimit(3000)


def reward_function(params):
    sys.setrecursionlimit(5000)
    return reward_function(params)
