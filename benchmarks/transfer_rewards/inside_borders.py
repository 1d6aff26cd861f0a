"""The service's second example: 1 where all wheels are on the road and 5 cm remain to its border."""


def reward_function(params):
    to_border = 0.5 * params["track_width"] - params["distance_from_center"]
    if params["all_wheels_on_track"] and to_border >= 0.05:
        return 1.0
    return 1e-3
