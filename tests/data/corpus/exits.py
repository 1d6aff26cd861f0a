# planted: RW208
import sys


def reward_function(params):
    if params["is_offtrack"]:
        sys.exit("off track")
    return params["speed"]
