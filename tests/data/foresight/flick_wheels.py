"""Pays changes of the steering, and what is gained.

Asks for: oscillating.
"""

LAST = {"progress": 0.0, "steps": 0.0}


def gain(params):
    """Percent of the lap since the step before."""
    is_next = params["steps"] == LAST["steps"] + 1
    gained = params["progress"] - LAST["progress"] if is_next else 0.0
    LAST.update(progress=params["progress"], steps=params["steps"])
    return max(-3.0, min(3.0, gained))


STEERING = [0.0]


def reward_function(params):
    gained = gain(params)
    change = abs(params["steering_angle"] - STEERING[0])
    STEERING[0] = params["steering_angle"]
    return float(gained + change / 20.0)
