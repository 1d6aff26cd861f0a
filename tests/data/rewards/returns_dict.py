def reward_function(params):
    return {"reward": 1.0}
