# planted: RW201
def reward_function(params):
    if -91 < params["heading"] < -89 and not params["is_left_of_center"]:
        return int("left")
    return 1.0
