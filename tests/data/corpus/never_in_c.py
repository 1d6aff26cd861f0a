# planted: RW206
def reward_function(params):
    return sum(range(10 ** 13))
