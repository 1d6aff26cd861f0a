# planted: RW205
def reward_function(params):
    return (params["track_width"] / 2 - params["distance_from_center"]) ** 0.5
