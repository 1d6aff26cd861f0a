"""Near the center line, with quiet hands.

Teaches: a penalty as a factor. Hard steering takes away up to half of what the place on the road pays, which stops the
zigzag that a plain center line reward learns on a straight.
Weakness: corners need steering, so a strong penalty makes the car run wide; that is why it stops at half. It does not
see the change from the last action, which is what really shakes the car; that would need a memory.
"""


def reward_function(params):
    if not params["all_wheels_on_track"]:
        return 1e-3

    half = 0.5 * params["track_width"]
    place = max(0.0, 1.0 - params["distance_from_center"] / half)
    steering = min(30.0, abs(params["steering_angle"])) / 30.0
    return float(max(1e-3, place * (1.0 - 0.5 * steering ** 2)))
