def reward_function(params):
    return "much"
