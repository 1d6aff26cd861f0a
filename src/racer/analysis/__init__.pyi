from .action_usage import action_label as action_label
from .action_usage import action_use as action_use
from .action_usage import discrete_action_usage as discrete_action_usage
from .action_usage import unused_actions as unused_actions
from .challenge import Challenge as Challenge
from .challenge import ChallengeEntry as ChallengeEntry
from .challenge import challenge_folder as challenge_folder
from .challenge import read_challenge as read_challenge
from .challenge import write_challenge as write_challenge
from .compared_logs import ComparedLog as ComparedLog
from .compared_logs import common_phase as common_phase
from .compared_logs import laps_that_count as laps_that_count
from .compared_logs import log_names as log_names
from .comparison import LogComparison as LogComparison
from .comparison import PairDifference as PairDifference
from .comparison import compare as compare
from .comparison import compare_laps as compare_laps
from .convergence import BEHIND as BEHIND
from .convergence import COLLAPSING as COLLAPSING
from .convergence import DISAGREEING as DISAGREEING
from .convergence import IMPROVING as IMPROVING
from .convergence import SLOWING as SLOWING
from .convergence import TOO_SHORT as TOO_SHORT
from .convergence import ConvergenceVerdict as ConvergenceVerdict
from .convergence import judge_convergence as judge_convergence
from .lap_table import INCIDENT_STATUSES as INCIDENT_STATUSES
from .lap_table import NEAR_LIMIT_FRACTION as NEAR_LIMIT_FRACTION
from .lap_table import beyond_logs_fraction as beyond_logs_fraction
from .lap_table import cut_sentences as cut_sentences
from .lap_table import endings_by_waypoint as endings_by_waypoint
from .lap_table import fastest_laps as fastest_laps
from .lap_table import is_cut as is_cut
from .lap_table import lap_iterations as lap_iterations
from .lap_table import lap_phases as lap_phases
from .lap_table import laps as laps
from .lap_table import laps_by_iteration as laps_by_iteration
from .lap_table import laps_on_main_track as laps_on_main_track
from .lap_table import whole_laps as whole_laps
from .leaderboard import race_standing as race_standing
from .motion import count_reversals as count_reversals
from .motion import driven_motion as driven_motion
from .motion import lap_bounds as lap_bounds
from .motion import line_deviation as line_deviation
from .motion import rows_of_laps as rows_of_laps
from .motion import step_times as step_times
from .sectors import LapSector as LapSector
from .sectors import corner_labels as corner_labels
from .sectors import corner_numbers as corner_numbers
from .sectors import corner_sectors as corner_sectors
from .sectors import endings_by_corner as endings_by_corner
from .sectors import lap_sectors as lap_sectors
from .telemetry import lap_start as lap_start
from .telemetry import lap_telemetry as lap_telemetry
from .telemetry import time_delta as time_delta

__all__ = [
    "BEHIND",
    "COLLAPSING",
    "DISAGREEING",
    "IMPROVING",
    "INCIDENT_STATUSES",
    "NEAR_LIMIT_FRACTION",
    "SLOWING",
    "TOO_SHORT",
    "Challenge",
    "ChallengeEntry",
    "ComparedLog",
    "ConvergenceVerdict",
    "LapSector",
    "LogComparison",
    "PairDifference",
    "action_label",
    "action_use",
    "beyond_logs_fraction",
    "challenge_folder",
    "common_phase",
    "compare",
    "compare_laps",
    "corner_labels",
    "corner_numbers",
    "corner_sectors",
    "count_reversals",
    "cut_sentences",
    "discrete_action_usage",
    "driven_motion",
    "endings_by_corner",
    "endings_by_waypoint",
    "fastest_laps",
    "is_cut",
    "judge_convergence",
    "lap_bounds",
    "lap_iterations",
    "lap_phases",
    "lap_sectors",
    "lap_start",
    "lap_telemetry",
    "laps",
    "laps_by_iteration",
    "laps_on_main_track",
    "laps_that_count",
    "line_deviation",
    "log_names",
    "race_standing",
    "read_challenge",
    "rows_of_laps",
    "step_times",
    "time_delta",
    "unused_actions",
    "whole_laps",
    "write_challenge",
]
