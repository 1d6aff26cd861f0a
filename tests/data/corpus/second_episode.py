# planted: RW201
seen = []


def reward_function(params):
    if params["steps"] <= 2:
        seen.append(1)
    return 1.0 / (300 - params["steps"]) if params["steps"] < 400 else 1.0
