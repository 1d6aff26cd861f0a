from .rollout import Drive as Drive
from .rollout import follow_line as follow_line
from .scripted import ALL_DRIVERS as ALL_DRIVERS
from .scripted import DAWDLING as DAWDLING
from .scripted import DRIVER_FAMILY as DRIVER_FAMILY
from .scripted import EXPERT as EXPERT
from .scripted import WRONG_WAY as WRONG_WAY
from .scripted import Driver as Driver
from .scripted import default_drivers as default_drivers
from .scripted import drive as drive
from .scripted import drive_all as drive_all
from .scripted import drive_dawdling as drive_dawdling

__all__ = [
    "ALL_DRIVERS",
    "DAWDLING",
    "DRIVER_FAMILY",
    "EXPERT",
    "WRONG_WAY",
    "Drive",
    "Driver",
    "default_drivers",
    "drive",
    "drive_all",
    "drive_dawdling",
    "follow_line",
]
