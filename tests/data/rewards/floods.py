def reward_function(params):
    while True:
        print("x" * 1000)
