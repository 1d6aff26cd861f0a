# planted: RW201
def reward_function(params):
    if params["objects_location"]:
        return 1.0 / len(params["objects_headings"] if "objects_headings" in params else [])
    return 1.0
