# planted: RW106
import deepracer_magic


def reward_function(params):
    return deepracer_magic.reward(params)
