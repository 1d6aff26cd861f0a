# planted: RW306
import numpy as np


def reward_function(params):
    return params["speed"] + np.random.default_rng().normal()
