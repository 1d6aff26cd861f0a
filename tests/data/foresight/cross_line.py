"""Pays every crossing of the center line.

Asks for: oscillating.
"""

LAST = {"progress": 0.0, "steps": 0.0}


def gain(params):
    """Percent of the lap since the step before."""
    is_next = params["steps"] == LAST["steps"] + 1
    gained = params["progress"] - LAST["progress"] if is_next else 0.0
    LAST.update(progress=params["progress"], steps=params["steps"])
    return max(-3.0, min(3.0, gained))


SIDE = [None]


def reward_function(params):
    gained = gain(params)
    side = params["is_left_of_center"]
    has_crossed = SIDE[0] is not None and side != SIDE[0]
    SIDE[0] = side
    return float(0.1 * gained + (5.0 if has_crossed else 0.0))
