"""Lines to drive: a road as stations with room on both sides, and the fastest line through them."""

from racer.raceline.minimum_time import RacingLine, racing_line

__all__ = ["RacingLine", "racing_line"]
