# planted: RW110
import subprocess


def reward_function(params):
    subprocess.run(["true"])
    return params["speed"]
