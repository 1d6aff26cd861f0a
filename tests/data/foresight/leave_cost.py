"""Every step costs, and what is gained does not make up for it.

Asks for: leaving.
"""

LAST = {"progress": 0.0, "steps": 0.0}


def gain(params):
    """Percent of the lap since the step before."""
    is_next = params["steps"] == LAST["steps"] + 1
    gained = params["progress"] - LAST["progress"] if is_next else 0.0
    LAST.update(progress=params["progress"], steps=params["steps"])
    return max(-3.0, min(3.0, gained))


def reward_function(params):
    return float(0.2 * gain(params) - 1.0)
