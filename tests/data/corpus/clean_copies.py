# planted: nothing
def reward_function(params):
    mine = dict(params)
    mine["waypoints"] = sorted(mine["waypoints"])
    mine["mark"] = 1
    return mine["speed"] + len(mine["waypoints"]) * 0.001
