from .placed import Lap as Lap
from .placed import Placed as Placed
from .placed import lap as lap
from .placed import placed as placed
from .strategies import laps as laps
from .strategies import params as params
from .subject import Reward as Reward

__all__ = ["Lap", "Placed", "Reward", "lap", "laps", "params", "placed"]
