"""Bands around the center line, and a bonus for speed."""

NEAR = 1.0  # tune: 0.05 .. 2
FAR = 0.5  # tune: 0.02 .. 1
SPEED = 0.1  # tune: 0.02 .. 2
POWER = 1.0  # tune: 0.5 .. 3


def reward_function(params):
    if not params["all_wheels_on_track"]:
        return 1e-3
    off = params["distance_from_center"] / params["track_width"]
    place = NEAR if off < 0.15 else FAR
    return float(place + SPEED * (params["speed"] / 4.0) ** POWER)
