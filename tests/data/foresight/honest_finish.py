"""Pays the end of the lap alone: the sooner, the less it is discounted.

Asks for: lap.
"""

def reward_function(params):
    return 1000.0 if params["progress"] >= 100.0 else 0.0
