# planted: RW305
import time


def reward_function(params):
    return params["speed"] + time.time() % 1
