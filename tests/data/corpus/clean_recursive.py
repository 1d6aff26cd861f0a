# planted: nothing
def nested(depth, value):
    return value if depth == 0 else nested(depth - 1, value * 0.9)


def reward_function(params):
    return nested(20, params["speed"])
