"""The service's third example: the bands around the center line, a fifth less where the wheels turn by more than 15 degrees."""


def reward_function(params):
    share = params["distance_from_center"] / params["track_width"]
    reward = 1e-3
    if share <= 0.1:
        reward = 1.0
    elif share <= 0.25:
        reward = 0.5
    elif share <= 0.5:
        reward = 0.1
    if abs(params["steering_angle"]) > 15.0:
        reward *= 0.8
    return reward
