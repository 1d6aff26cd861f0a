"""A base that every step on the road is paid, and the mean pace of the attempt."""

BASE = 1.0  # tune: 0.001 .. 2
PACE = 0.5  # tune: 0.1 .. 4
POWER = 1.0  # tune: 0.5 .. 4


def reward_function(params):
    if not params["all_wheels_on_track"]:
        return 1e-3
    pace = max(0.0, 1.5 * params["progress"] / params["steps"])
    return float(BASE + PACE * pace**POWER)
