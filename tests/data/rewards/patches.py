import builtins
import math
import random

math.sqrt = lambda x: 42.0


def reward_function(params):
    builtins.sum = max
    random.seed(0)
    return math.sqrt(4.0) + sum([1.0, 2.0])
