import sys


def reward_function(params):
    sys.exit("bye")
