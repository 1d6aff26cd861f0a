"""Pays hard steering to the left, wherever that leads.

Car: v4. Asks for: circling.
"""

def reward_function(params):
    return 1.0 if params["steering_angle"] > 20.0 else 0.0
