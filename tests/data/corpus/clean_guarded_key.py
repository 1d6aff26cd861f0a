# planted: nothing
def reward_function(params):
    if "sim_time" in params:
        return 1.0 + 0.0 * params["sim_time"]
    return params.get("projection_distance", 0.0) * 0.0 + params["speed"]
