# planted: RW201
def reward_function(params):
    ahead = params["closest_objects"][1]
    return params["objects_distance"][ahead] / params["track_length"]
