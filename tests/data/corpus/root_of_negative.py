# planted: RW201
import math


def reward_function(params):
    return math.sqrt(params["progress"])
