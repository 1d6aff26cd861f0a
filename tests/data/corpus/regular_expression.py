# planted: RW206
import re


def reward_function(params):
    re.match("(a+)+$", "a" * 40 + "b")
    return 1.0
