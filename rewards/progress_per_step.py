"""Get far in few steps.

Teaches: progress divided by steps is the mean speed of this attempt, measured by the simulator's own clock, and needs
no table, angle or memory.
Weakness: it is a mean, so late in a lap a brave step changes it very little, and a car that starts well goes on earning
while it dawdles. It is also paid per step: with a discount factor near one a slower lap of more steps can still collect
more.
"""


def reward_function(params):
    steps = params["steps"]
    if not params["all_wheels_on_track"] or steps <= 0:
        return 1e-3
    # 15 steps are a second; 100 % in 150 steps pays one
    return float(max(1e-3, 1.5 * params["progress"] / steps))
