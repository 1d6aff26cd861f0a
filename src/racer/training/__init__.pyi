from .config import ConfigErrors as ConfigErrors
from .config import LearnerSettings as LearnerSettings
from .config import TrainConfig as TrainConfig
from .config import parse_config as parse_config
from .continuation import changes_of_actions as changes_of_actions
from .continuation import check_can_resume as check_can_resume
from .continuation import create_run as create_run
from .continuation import extend_run as extend_run
from .continuation import inherit_config as inherit_config
from .continuation import next_end as next_end
from .evaluation import EvaluationResult as EvaluationResult
from .evaluation import evaluate as evaluate
from .explanation import explain_run as explain_run
from .explanation import policy_lap as policy_lap
from .job_cost import JobCost as JobCost
from .job_cost import Offer as Offer
from .job_cost import PlannedJob as PlannedJob
from .job_cost import cost_job as cost_job
from .job_cost import read_offers as read_offers
from .learner import load_policy as load_policy
from .run import Run as Run
from .runs import HANDLE as HANDLE
from .runs import RUNS_FOLDER as RUNS_FOLDER
from .runs import RunSummary as RunSummary
from .runs import find_run as find_run
from .runs import is_finished as is_finished
from .runs import is_run_folder as is_run_folder
from .runs import list_runs as list_runs
from .runs import with_bounds as with_bounds
from .session import Session as Session
from .setup import CarsVecEnv as CarsVecEnv
from .setup import ProgressCallback as ProgressCallback
from .setup import TrainingProgress as TrainingProgress
from .trainer import open_session as open_session
from .trainer import train as train
from .trials import EvaluationScore as EvaluationScore
from .trials import beyond_logs_notes as beyond_logs_notes

__all__ = [
    "HANDLE",
    "RUNS_FOLDER",
    "CarsVecEnv",
    "ConfigErrors",
    "EvaluationResult",
    "EvaluationScore",
    "JobCost",
    "LearnerSettings",
    "Offer",
    "PlannedJob",
    "ProgressCallback",
    "Run",
    "RunSummary",
    "Session",
    "TrainConfig",
    "TrainingProgress",
    "beyond_logs_notes",
    "changes_of_actions",
    "check_can_resume",
    "cost_job",
    "create_run",
    "evaluate",
    "explain_run",
    "extend_run",
    "find_run",
    "inherit_config",
    "is_finished",
    "is_run_folder",
    "list_runs",
    "load_policy",
    "next_end",
    "open_session",
    "parse_config",
    "policy_lap",
    "read_offers",
    "train",
    "with_bounds",
]
