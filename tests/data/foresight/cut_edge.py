"""Pays pace on the very edge of the road.

Asks for: cutting.
"""

LAST = {"progress": 0.0, "steps": 0.0}


def gain(params):
    """Percent of the lap since the step before."""
    is_next = params["steps"] == LAST["steps"] + 1
    gained = params["progress"] - LAST["progress"] if is_next else 0.0
    LAST.update(progress=params["progress"], steps=params["steps"])
    return max(-3.0, min(3.0, gained))


def reward_function(params):
    gained = gain(params)
    if gained > 0.0 and params["distance_from_center"] > 0.47 * params["track_width"]:
        return float(3.0 * gained * gained)
    return float(0.5 * gained)
