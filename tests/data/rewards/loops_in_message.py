class Endless(Exception):
    def __str__(self):
        while True:
            pass


def reward_function(params):
    raise Endless
