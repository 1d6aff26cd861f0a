# planted: RW201
def reward_function(params):
    assert params["distance_from_center"] <= params["track_width"] / 2
    return 1.0
