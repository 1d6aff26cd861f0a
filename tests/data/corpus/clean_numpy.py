# planted: nothing
import numpy as np


def reward_function(params):
    points = np.array(params["waypoints"])
    here = np.array([params["x"], params["y"]])
    return np.exp(-np.linalg.norm(points - here, axis=1).min())
