"""Move aside for the next object in good time, and come back behind it.

Teaches: a place to be that changes gradually. How far ahead an object is along the road is `objects_distance` minus
`projection_distance`, both from the start line; the place to be moves from the center line to the free side as that
distance shrinks, and what is paid is being near it, so the reward does not jump where an object comes near. Quick
changes of the steering cost, too: that needs a memory of one number.
Weakness: of two objects close together on both sides it minds the nearest alone; and it teaches slow driving.
"""

SEE, ASIDE = 2.2, 1.0  # m before an object: begin to move aside, be aside
BESIDE, PAST = 0.4, 0.9  # m behind it: begin to come back, be back
last_steering = [0.0]


def place_to_be(params):
    """m left of the center line."""
    width, lap = params["track_width"], params["track_length"]
    here = params.get("projection_distance", 0.0)  # AWS' own check has none
    pull, place = 0.0, 0.0
    for i, there in enumerate(params["objects_distance"]):
        ahead = (there - here + PAST) % lap - PAST
        if ahead > -BESIDE:
            near = min(1.0, max(0.0, (SEE - ahead) / (SEE - ASIDE)))
        else:
            near = (PAST + ahead) / (PAST - BESIDE)
        if near > pull:
            side = -1.0 if params["objects_left_of_center"][i] else 1.0
            pull, place = near, 0.3 * side * width * near
    return place


def reward_function(params):
    steering, before = params["steering_angle"], last_steering[0]
    last_steering[0] = steering
    if not params["all_wheels_on_track"] or params["is_crashed"]:
        return 1e-3

    offset = params["distance_from_center"]
    if not params["is_left_of_center"]:
        offset = -offset
    off = abs(offset - place_to_be(params)) / params["track_width"]
    calm = 1.0 - min(1.0, abs(steering - before) / 30.0)
    return float(max(0.05, 1.0 - 2.5 * off) * (0.4 + 0.6 * calm))
