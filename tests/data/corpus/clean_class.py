# planted: nothing
class Pricer:
    def __init__(self):
        self.best = 1.0

    def price(self, params):
        return self.best - min(params["distance_from_center"], 1.0)


PRICER = Pricer()


def reward_function(params):
    return PRICER.price(params)
