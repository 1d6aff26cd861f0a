reward_function = 1.0
