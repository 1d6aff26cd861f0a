def reward_function(params):
    x = 1
      return x
