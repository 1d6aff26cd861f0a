# planted: nothing
def reward_function(params):
    reward = 1.0
    if params["objects_location"]:
        ahead = params["closest_objects"][1]
        gap = params["objects_distance"][ahead] - params["projection_distance"]
        if 0 < gap < 0.5:
            reward = 0.1
    return reward
