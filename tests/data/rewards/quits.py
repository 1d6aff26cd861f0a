def reward_function(params):
    quit()
