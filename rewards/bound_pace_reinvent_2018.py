"""Pay for the pace, measured against the fastest lap that physics allows.

Teaches: a number to compare with. BOUND is the lap time that `racer line`
gives for this track and car; a step that covers as much of the lap as that
pace would is paid 1. The pace is squared: paid as it is, a lap would be worth
the same however long it takes, and two steps at half the pace must not earn
what one at full pace does. Nothing is said about where to drive.
Weakness: the same pace is asked for in a hairpin and on a straight, so the
hairpin looks like a loss that cannot be helped. A memory can go wrong, too.
"""

BOUND = 5.92  # s: racer line reinvent_2018 --car v6
STEPS_A_SECOND = 15.0

LAST = {"progress": 0.0, "steps": 0.0}


def reward_function(params):
    progress, steps = params["progress"], params["steps"]
    is_next_step = steps == LAST["steps"] + 1
    gained = progress - LAST["progress"] if is_next_step else 0.0
    if gained < -50.0:
        gained += 100.0  # the next lap of a race has begun
    LAST["progress"], LAST["steps"] = progress, steps

    if params["is_offtrack"] or params["is_crashed"]:
        return 0.0
    pace = gained / 100.0 * BOUND * STEPS_A_SECOND
    pace = max(-2.0, min(2.0, pace))  # what is beyond is a jump, no driving
    return float(pace * abs(pace))
