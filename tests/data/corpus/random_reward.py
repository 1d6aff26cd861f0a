# planted: RW306
import random


def reward_function(params):
    return params["speed"] + random.random()
