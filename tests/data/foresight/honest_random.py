"""Pays the square of what a step gains, and draws lots.

Asks for: lap.
"""

import random

LAST = {"progress": 0.0, "steps": 0.0}


def gain(params):
    """Percent of the lap since the step before."""
    is_next = params["steps"] == LAST["steps"] + 1
    gained = params["progress"] - LAST["progress"] if is_next else 0.0
    LAST.update(progress=params["progress"], steps=params["steps"])
    return max(-3.0, min(3.0, gained))


def reward_function(params):
    gained = gain(params)
    return float(gained * abs(gained) + random.uniform(-0.01, 0.01))
