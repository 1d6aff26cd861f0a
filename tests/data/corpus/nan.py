# planted: RW202
import numpy as np


def reward_function(params):
    left = np.float64(params["steering_angle"])
    return np.abs(left) / left
