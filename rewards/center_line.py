"""Stay near the center line.

Teaches: the plainest reward that works. Three bands around the center line pay less and less, and nearly nothing is
paid close to the border.
Weakness: it pays per step, so a slow lap collects more than a fast one, and the racing line is worth less than the
middle of the road. Expect a calm, safe driver.
"""


def reward_function(params):
    distance = params["distance_from_center"]
    width = params["track_width"]

    if not params["all_wheels_on_track"]:
        return 1e-3
    if distance <= 0.1 * width:
        return 1.0
    if distance <= 0.25 * width:
        return 0.5
    if distance <= 0.5 * width:
        return 0.1
    return 1e-3
