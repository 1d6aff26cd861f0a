# planted: RW102
def reward(params):
    return 1.0
