def reward_function(params):
    raise KeyboardInterrupt
