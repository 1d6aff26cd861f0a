"""Pace squared, less for hard steering and for the border."""

STEER = 0.9  # tune: 0 .. 1
BORDER = 0.9  # tune: 0 .. 1
MARGIN = 0.4  # tune: 0.05 .. 0.5
STAY = 0.6  # tune: 0.001 .. 1

LAST = {"progress": 0.0, "steps": 0.0}


def reward_function(params):
    progress, steps = params["progress"], params["steps"]
    is_next = steps == LAST["steps"] + 1
    gained = progress - LAST["progress"] if is_next else 0.0
    LAST["progress"], LAST["steps"] = progress, steps
    if not params["all_wheels_on_track"]:
        return 0.0
    pace = max(0.0, min(2.0, gained)) ** 2
    reward = pace * (1.0 - STEER * abs(params["steering_angle"]) / 30.0) + STAY
    if params["distance_from_center"] > (0.5 - MARGIN) * params["track_width"]:
        reward *= 1.0 - BORDER
    return float(reward)
