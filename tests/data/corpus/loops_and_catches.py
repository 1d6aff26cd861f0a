# planted: RW206
def reward_function(params):
    while True:
        try:
            k = 1 / 0
        except BaseException:
            k = 2
    return 1.0
