# planted: RW103
def reward_function(params):
    yield 1.0
