# planted: RW109
def reward_function(params):
    with open("rewards.log", "a") as log:
        log.write("%f\n" % params["speed"])
    return params["speed"]
