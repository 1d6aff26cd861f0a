# planted: RW205
def reward_function(params):
    if params["distance_from_center"] < 0.3 * params["track_width"]:
        return 1.0
