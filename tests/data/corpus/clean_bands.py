# planted: nothing
def reward_function(params):
    width = params["track_width"]
    distance = params["distance_from_center"]
    for share, reward in ((0.1, 1.0), (0.25, 0.5), (0.5, 0.1)):
        if distance <= share * width:
            return reward
    return 1e-3
