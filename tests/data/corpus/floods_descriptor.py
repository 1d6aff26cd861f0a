# planted: RW206
import os


def reward_function(params):
    while True:
        os.write(1, b"x" * 10000)
