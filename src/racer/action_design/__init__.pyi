from .beam_search import CommandedDrive as CommandedDrive
from .design import CELL_LENGTH_M as CELL_LENGTH_M
from .design import ActionUsage as ActionUsage
from .design import Design as Design
from .design import check_action_count as check_action_count
from .design import counting_rows as counting_rows
from .design import design_space as design_space
from .design import prepare_track as prepare_track
from .design import usage_by_cell as usage_by_cell
from .design import usage_by_corner as usage_by_corner
from .review import Review as Review
from .review import flying_commands as flying_commands
from .review import review_space as review_space
from .review import signed_angle as signed_angle

__all__ = [
    "CELL_LENGTH_M",
    "ActionUsage",
    "CommandedDrive",
    "Design",
    "Review",
    "check_action_count",
    "counting_rows",
    "design_space",
    "flying_commands",
    "prepare_track",
    "review_space",
    "signed_angle",
    "usage_by_cell",
    "usage_by_corner",
]
