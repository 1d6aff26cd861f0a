# planted: RW101
def reward_function(params):
    print "speed", params["speed"]
    return 1.0
