"""Training a car with a reward function, evaluating it, and taking it elsewhere.

`train` and `evaluate` are one call each. `racer.training.sweep` trains the runs of an experiment,
`racer.training.interop` reads and writes trainings for DeepRacer for Cloud. Names are loaded when
they are asked for, as PyTorch takes seconds.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
