# planted: RW210
def reward_function(params):
    while True:
        print("x" * 10000)
    return 1.0
