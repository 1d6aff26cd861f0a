import io
import sys


def reward_function(params):
    sys.stdout = io.StringIO()
    print("lost")
    return 1.0
