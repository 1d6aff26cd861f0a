"""Pays being off the track, and costs a little elsewhere.

Asks for: leaving.
"""

def reward_function(params):
    return 50.0 if params["is_offtrack"] else -0.1
