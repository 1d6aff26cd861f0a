from .attribution import Attribution as Attribution
from .attribution import explain as explain
from .checkup import Cost as Cost
from .checkup import Diagnosis as Diagnosis
from .checkup import Symptom as Symptom
from .checkup import doctor as doctor
from .checkup import next_command as next_command
from .foresight import Foresight as Foresight
from .foresight import ForesightSettings as ForesightSettings
from .foresight import compare_foresights as compare_foresights
from .foresight import foresee as foresee
from .log_replay import collect_replay as collect_replay
from .log_replay import paid_laps as paid_laps
from .log_replay import price_trace as price_trace
from .log_replay import prove_rebuild as prove_rebuild
from .log_replay import replay as replay
from .log_replay import replay_log as replay_log
from .log_replay import require_proof as require_proof
from .log_replay import scored_rows as scored_rows
from .pay import GAMMAS as GAMMAS
from .pay import VERDICT_GAMMA as VERDICT_GAMMA
from .pay import discounted_returns as discounted_returns
from .pay import pay_around_lap as pay_around_lap
from .pay import pay_of_lap as pay_of_lap
from .policy import ActionChoice as ActionChoice
from .policy import InputWeight as InputWeight
from .policy import PolicyLap as PolicyLap
from .policy import PolicyViews as PolicyViews
from .policy import action_choices as action_choices
from .policy import input_weights as input_weights
from .policy import least_sure_place as least_sure_place
from .policy import weight_fractions as weight_fractions
from .pricing import DrivePricer as DrivePricer
from .pricing import price_drives as price_drives
from .replay_record import LogReplay as LogReplay
from .replay_record import RebuildProof as RebuildProof
from .replay_record import ReplayedLog as ReplayedLog
from .replay_record import displaced_laps as displaced_laps
from .replay_record import rank_laps as rank_laps
from .replay_record import wrong_pair_fraction as wrong_pair_fraction
from .reward_map import MapPlace as MapPlace
from .reward_map import MapSettings as MapSettings
from .reward_map import MapSlice as MapSlice
from .reward_map import RewardMap as RewardMap
from .reward_map import best_and_worst_place as best_and_worst_place
from .reward_map import map_reward as map_reward
from .reward_map import subtract_maps as subtract_maps
from .reward_score import FORESEEN_SECONDS as FORESEEN_SECONDS
from .reward_score import Foreseen as Foreseen
from .reward_score import Inversion as Inversion
from .reward_score import RewardScore as RewardScore
from .reward_score import ScoreVerdict as ScoreVerdict
from .reward_score import compare_scores as compare_scores
from .reward_score import describe_drive as describe_drive
from .reward_score import is_faster as is_faster
from .reward_score import weigh_foresight as weigh_foresight
from .scoring import ScoredTrack as ScoredTrack
from .scoring import ScoreSettings as ScoreSettings
from .scoring import UnscoredReward as UnscoredReward
from .scoring import score as score
from .scoring import score_drivers as score_drivers
from .scoring import score_drives as score_drives
from .scoring import score_each as score_each
from .scoring import score_rewards as score_rewards

__all__ = [
    "FORESEEN_SECONDS",
    "GAMMAS",
    "VERDICT_GAMMA",
    "ActionChoice",
    "Attribution",
    "Cost",
    "Diagnosis",
    "DrivePricer",
    "Foreseen",
    "Foresight",
    "ForesightSettings",
    "InputWeight",
    "Inversion",
    "LogReplay",
    "MapPlace",
    "MapSettings",
    "MapSlice",
    "PolicyLap",
    "PolicyViews",
    "RebuildProof",
    "ReplayedLog",
    "RewardMap",
    "RewardScore",
    "ScoreSettings",
    "ScoreVerdict",
    "ScoredTrack",
    "Symptom",
    "UnscoredReward",
    "action_choices",
    "best_and_worst_place",
    "collect_replay",
    "compare_foresights",
    "compare_scores",
    "describe_drive",
    "discounted_returns",
    "displaced_laps",
    "doctor",
    "explain",
    "foresee",
    "input_weights",
    "is_faster",
    "least_sure_place",
    "map_reward",
    "next_command",
    "paid_laps",
    "pay_around_lap",
    "pay_of_lap",
    "price_drives",
    "price_trace",
    "prove_rebuild",
    "rank_laps",
    "replay",
    "replay_log",
    "require_proof",
    "score",
    "score_drivers",
    "score_drives",
    "score_each",
    "score_rewards",
    "scored_rows",
    "subtract_maps",
    "weigh_foresight",
    "weight_fractions",
    "wrong_pair_fraction",
]
