"""Pays the first 14 steps on which a car goes back; every other one costs a little.

Car: v4.

Asks for: wrong way.
"""

LAST = {"progress": 0.0, "steps": 0.0, "back": 0}


def reward_function(params):
    if params["steps"] != LAST["steps"] + 1:
        LAST.update(progress=params["progress"], back=0)
    goes_back = params["progress"] < LAST["progress"]
    LAST["back"] += goes_back
    LAST.update(progress=params["progress"], steps=params["steps"])
    return 10.0 if goes_back and LAST["back"] <= 14 else -0.02
