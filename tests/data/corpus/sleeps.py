# planted: RW207
import time


def reward_function(params):
    time.sleep(0.02)
    return params["speed"]
