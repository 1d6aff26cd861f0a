class Odd(BaseException):
    def __str__(self):
        raise ValueError


def reward_function(params):
    raise Odd
