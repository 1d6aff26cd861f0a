# planted: nothing
import random

NOISE = [random.Random(3).random() for _ in range(10)]


def reward_function(params):
    return params["speed"] + NOISE[int(params["steps"]) % 10]
