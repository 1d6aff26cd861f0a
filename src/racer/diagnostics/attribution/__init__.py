"""Which lines and terms of a reward function pay how much: a file taken apart, watched while it
prices, and counted.
"""

from racer.diagnostics.attribution.attribution import (
    AttributedDrive,
    Attribution,
    Piece,
    PiecePay,
    TermPay,
    attribute_reward,
    pay_by_piece,
    pay_by_term,
)

__all__ = [
    "AttributedDrive",
    "Attribution",
    "Piece",
    "PiecePay",
    "TermPay",
    "attribute_reward",
    "pay_by_piece",
    "pay_by_term",
]
