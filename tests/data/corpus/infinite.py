# planted: RW203
import numpy as np


def reward_function(params):
    return np.float64(1.0) / np.float64(params["steering_angle"] ** 2)
