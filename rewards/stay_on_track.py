"""Stay on the road, nothing else.

Teaches: the smallest reward there is. A step on the road pays one, a step with a wheel outside pays nearly nothing.
Weakness: every step pays the same whether the car crawls or flies, so the most profitable car is the one that drives
for ever: slowly. It is the baseline that any other reward should beat.
"""


def reward_function(params):
    if params["all_wheels_on_track"]:
        return 1.0
    return 1e-3
