# planted: RW105
import sys

sys.exit(3)


def reward_function(params):
    return 1.0
