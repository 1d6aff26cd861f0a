# planted: RW301 RW302
def reward_function(params, seen=[]):
    seen.append(params["progress"])
    return float(len(seen))
