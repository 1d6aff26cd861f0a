"""Way is income, every step costs."""

COST = 0.01  # tune: 0.001 .. 0.2
OFF_ROAD = 5.0  # tune: 0.1 .. 40
STEERING = 0.08  # tune: 0.001 .. 0.2

LAST = {"progress": 0.0, "steps": 0.0}


def reward_function(params):
    progress, steps = params["progress"], params["steps"]
    is_next = steps == LAST["steps"] + 1
    gained = progress - LAST["progress"] if is_next else 0.0
    LAST["progress"], LAST["steps"] = progress, steps
    if params["is_offtrack"]:
        return -OFF_ROAD
    hands = STEERING * abs(params["steering_angle"]) / 30.0
    return float(0.2 * max(-1.0, min(3.0, gained)) - COST - hands)
