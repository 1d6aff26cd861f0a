# planted: RW201
import math


def reward_function(params):
    return -math.log(params["distance_from_center"])
