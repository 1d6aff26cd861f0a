"""Pays the third power of what a step gains, in bounds.

Asks for: lap.
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
    if params["is_offtrack"]:
        return 0.0
    return float(gained**3)
