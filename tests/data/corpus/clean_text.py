# planted: nothing
def reward_function(params):
    return "0.5" if params["is_offtrack"] else "1.0"
