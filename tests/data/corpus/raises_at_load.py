# planted: RW105
TABLE = {}
FIRST = TABLE["first"]


def reward_function(params):
    return FIRST
