# planted: nothing
def reward_function(params):
    try:
        return 1.0 / params["distance_from_center"] if params["distance_from_center"] > 0.01 else 100.0
    except ZeroDivisionError:
        return 1.0
