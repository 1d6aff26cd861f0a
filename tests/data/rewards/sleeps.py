import time


def reward_function(params):
    time.sleep(1e9)
    return 1.0
