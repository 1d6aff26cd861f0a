"""Way gained, a base for every step, and a bonus for the lap."""

BASE = 0.5  # tune: 0.001 .. 1
GAIN = 0.3  # tune: 0.05 .. 3
FINISH = 1.0  # tune: 0.1 .. 50
KEEN = 1.0  # tune: 0.5 .. 3

LAST = {"progress": 0.0, "steps": 0.0}


def reward_function(params):
    progress, steps = params["progress"], params["steps"]
    is_next = steps == LAST["steps"] + 1
    gained = progress - LAST["progress"] if is_next else 0.0
    LAST["progress"], LAST["steps"] = progress, steps
    if not params["all_wheels_on_track"]:
        return 0.0
    reward = BASE + GAIN * max(0.0, min(3.0, gained)) ** KEEN
    if progress >= 100.0:
        reward += FINISH
    return float(reward)
