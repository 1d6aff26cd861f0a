from .placing import DrivenLap as DrivenLap
from .placing import PlacedParams as PlacedParams
from .placing import lap as lap
from .placing import placed as placed
from .strategies import laps as laps
from .strategies import params as params
from .subject import Reward as Reward

__all__ = ["DrivenLap", "PlacedParams", "Reward", "lap", "laps", "params", "placed"]
