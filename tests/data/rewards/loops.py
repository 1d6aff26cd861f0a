def reward_function(params):
    n = 0
    while True:
        n += 1
