"""Pays steps far from the middle, for two thirds of a second after a change of sides.

Asks for: weaving.
"""

LAST = {"left": None, "steps": 0.0, "changed": -100.0}


def reward_function(params):
    steps = params["steps"]
    if steps != LAST["steps"] + 1:
        LAST.update(left=params["is_left_of_center"], changed=-100.0)
    if params["is_left_of_center"] != LAST["left"]:
        LAST["changed"] = steps
    LAST.update(left=params["is_left_of_center"], steps=steps)
    is_far = params["distance_from_center"] > 0.15 * params["track_width"]
    return 1.0 if is_far and steps - LAST["changed"] < 10 else 0.0
