# planted: RW206
def reward_function(params):
    k = 0
    while params["is_offtrack"]:
        k += 1
    return 1.0
