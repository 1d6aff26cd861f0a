def deeper(n):
    return deeper(n + 1)


def reward_function(params):
    return deeper(0)
