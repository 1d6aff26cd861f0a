"""Which lines and terms of a reward function pay how much: a file taken apart, watched while it
prices, and counted.
"""

from racer.diagnostics.attribution.attribution import (
    Attribution,
    Group,
    Piece,
    Row,
    Run,
    attribute,
    groups,
    rows,
)

__all__ = ["Attribution", "Group", "Piece", "Row", "Run", "attribute", "groups", "rows"]
