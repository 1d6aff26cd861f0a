"""Drivers: scripted ones that follow plans, and a predictive one that follows a racing line."""

from racer.drivers.rollout import Drive
from racer.drivers.scripted import ALL_DRIVERS, Driver, drive

__all__ = ["ALL_DRIVERS", "Drive", "Driver", "drive"]
