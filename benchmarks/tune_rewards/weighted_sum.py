"""A weighted sum: the middle, the speed, quiet hands."""

CENTER = 1.0
SPEED = 0.03
SMOOTH = 0.02


def reward_function(params):
    if not params["all_wheels_on_track"]:
        return 1e-3
    off = params["distance_from_center"] / (0.5 * params["track_width"])
    speed = SPEED * params["speed"] ** 2
    hands = SMOOTH * abs(params["steering_angle"])
    return float(max(1e-3, CENTER * (1.0 - off) + speed - hands))
