from .rollout import Drive as Drive
from .rollout import follow_line as follow_line
from .scripted import ALL_DRIVERS as ALL_DRIVERS
from .scripted import DRIVER_FAMILY as DRIVER_FAMILY
from .scripted import EXPERT as EXPERT
from .scripted import Driver as Driver
from .scripted import default_drivers as default_drivers
from .scripted import drive as drive
from .scripted import drive_all as drive_all

__all__ = [
    "ALL_DRIVERS",
    "DRIVER_FAMILY",
    "EXPERT",
    "Drive",
    "Driver",
    "default_drivers",
    "drive",
    "drive_all",
    "follow_line",
]
