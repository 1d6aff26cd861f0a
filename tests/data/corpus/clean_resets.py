# planted: RW301
last = {"progress": 0.0}


def reward_function(params):
    if params["steps"] <= 2:
        last["progress"] = 0.0
    gained = params["progress"] - last["progress"]
    last["progress"] = params["progress"]
    return max(gained, 0.0)
