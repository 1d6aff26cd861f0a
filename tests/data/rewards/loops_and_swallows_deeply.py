def inner():
    while True:
        try:
            while True:
                pass
        except BaseException:
            pass


def reward_function(params):
    while True:
        try:
            inner()
        except:
            pass
