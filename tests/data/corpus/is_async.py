# planted: RW103
async def reward_function(params):
    return 1.0
