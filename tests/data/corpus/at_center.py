# planted: RW201
def reward_function(params):
    return 1.0 / params["distance_from_center"]
