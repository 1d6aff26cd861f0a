"""Pays the way that a car has gone back behind its start.

Car: v4. Asks for: wrong way.
"""

def reward_function(params):
    return float(max(0.0, -params["progress"]) ** 2)
