"""Pays hard steering to the left, wherever that leads. Circles fit onto wide roads only.

Car: v4. Tracks: vegas sola_speedway hot_rod_speedway.

Asks for: circling.
"""

def reward_function(params):
    return 1.0 if params["steering_angle"] > 20.0 else 0.0
