# planted: RW311
def reward_function(params):
    center = 1.0 - params["distance_from_center"]
    bonus = 1.0 if params["speed"] < 20 else 0.0
    return center + bonus
