# planted: nothing
reward_function = lambda params: params["speed"] ** 2
