"""racer: check, simulate and train AWS DeepRacer reward functions on a laptop."""

__version__ = "0.1.0"
