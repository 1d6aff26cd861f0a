import os


def reward_function(params):
    os.chdir("/")
    return 1.0
