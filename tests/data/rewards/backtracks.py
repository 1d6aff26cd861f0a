import re


def reward_function(params):
    return float(bool(re.match(r"(a|aa)+$", "a" * 80 + "b")))
