# planted: RW303
def reward_function(params):
    params["waypoints"].reverse()
    return params["waypoints"][0][0] + 100
