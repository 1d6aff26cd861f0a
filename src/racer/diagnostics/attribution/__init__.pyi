from .attribution import DriveParams as DriveParams
from .attribution import attribute_reward as attribute_reward
from .attribution import drive_params as drive_params
from .attribution import episode_params as episode_params
from .attribution import explain as explain
from .attribution import recorded_params as recorded_params
from .explanation import AttributedDrive as AttributedDrive
from .explanation import Attribution as Attribution
from .explanation import Piece as Piece
from .explanation import PiecePay as PiecePay
from .explanation import TermPay as TermPay
from .explanation import TermStretch as TermStretch
from .explanation import describe_dominant_term as describe_dominant_term
from .explanation import describe_stretches as describe_stretches
from .explanation import find_stretches as find_stretches
from .explanation import format_lines as format_lines
from .explanation import pay_by_piece as pay_by_piece
from .explanation import pay_by_term as pay_by_term
from .plans import Term as Term

__all__ = [
    "AttributedDrive",
    "Attribution",
    "DriveParams",
    "Piece",
    "PiecePay",
    "Term",
    "TermPay",
    "TermStretch",
    "attribute_reward",
    "describe_dominant_term",
    "describe_stretches",
    "drive_params",
    "episode_params",
    "explain",
    "find_stretches",
    "format_lines",
    "pay_by_piece",
    "pay_by_term",
    "recorded_params",
]
