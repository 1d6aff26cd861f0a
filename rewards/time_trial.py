"""As a race clock would pay: progress is income, every step costs, leaving the road costs more.

Teaches: a reward may be negative. The step cost makes a slow car lose money, so speed pays at any discount factor.
The three prices must fit together: a car at SLOWEST meters a second breaks even, and leaving the road has to cost more
than the steps it spares the car, or the best plan is to drive off at once.
Weakness: early in training nearly everything is a loss, so the first clean lap comes later than with a friendly reward.
"""

SLOWEST = 0.5  # m/s that just pays for its steps
STEPS_A_SECOND = 15.0
OFF_ROAD = -20.0
FINISH = 10.0

LAST = {"progress": 0.0, "steps": 0.0}


def reward_function(params):
    progress, steps = params["progress"], params["steps"]
    is_next_step = steps == LAST["steps"] + 1
    gained = progress - LAST["progress"] if is_next_step else 0.0
    LAST["progress"], LAST["steps"] = progress, steps

    if params["is_offtrack"] or params["is_crashed"]:
        return OFF_ROAD
    meters = max(-1.0, min(1.0, gained / 100.0 * params["track_length"]))
    cost = SLOWEST / STEPS_A_SECOND
    bonus = FINISH if progress >= 100.0 else 0.0
    return float(10.0 * (meters - cost) + bonus)
