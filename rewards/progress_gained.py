"""Pay for the progress made since the last step, and for nothing else.

Teaches: memory. The file keeps the progress of the step before, and forgets it when a new attempt begins (`steps` is 2
on the first call of an attempt). A whole lap pays the same sum however long it takes, so only the discount factor makes
haste worth while: sooner is worth more. That is the honest form of "go fast".
Weakness: a memory can go wrong. The sum says nothing about safety either: leaving the road simply ends the income, so
the car finds out about corners by missing them.
"""

LAST = {"progress": 0.0, "steps": 0.0}


def reward_function(params):
    progress, steps = params["progress"], params["steps"]
    is_next_step = steps == LAST["steps"] + 1
    gained = progress - LAST["progress"] if is_next_step else 0.0
    LAST["progress"], LAST["steps"] = progress, steps

    if not params["all_wheels_on_track"]:
        return 0.0
    # a step covers about one percent of a short lap; bounds catch jumps
    return float(max(-1.0, min(10.0, gained)))
