# planted: RW316 RW302
last = {"speed": 0.0}


def reward_function(params):
    if params["steps"] == 1:
        last["speed"] = params["speed"]
    gain = params["speed"] - last["speed"]
    last["speed"] = params["speed"]
    return 1.0 + max(gain, 0.0)
