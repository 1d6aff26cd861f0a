"""Change lanes before the next object.

Teaches: the objects' lists. `closest_objects[1]` is the index of the next object ahead in all of them, and which side
of the center line it is on tells which side is free.
Weakness: near is measured as the crow flies, so an object on the other leg of a hairpin counts too; and where there are
no objects this is a plain center line reward.
"""

NEAR = 1.5  # m: begin to move away


def reward_function(params):
    if not params["all_wheels_on_track"] or params["is_crashed"]:
        return 1e-3

    half = 0.5 * params["track_width"]
    place = max(0.1, 1.0 - params["distance_from_center"] / half)
    locations = params["objects_location"]
    if not locations:
        return float(place)

    ahead = params["closest_objects"][1]
    x, y = locations[ahead]
    gap = ((x - params["x"]) ** 2 + (y - params["y"]) ** 2) ** 0.5
    on_its_side = (params["objects_left_of_center"][ahead]
                   == params["is_left_of_center"])
    if gap < NEAR and on_its_side:
        return float(max(1e-3, 0.2 * gap / NEAR))
    if gap < NEAR:
        return 1.0  # on the other side: the middle would be worse here
    return float(place)
