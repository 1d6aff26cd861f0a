# planted: RW101
def reward_function(params):
    a = 1.0
      return a
