from .experiment import Experiment as Experiment
from .experiment import experiment_toml as experiment_toml
from .experiment import read_experiment as read_experiment
from .runner import RunStatus as RunStatus
from .runner import StatusCallback as StatusCallback
from .runner import run_grid as run_grid
from .summary import RunComparison as RunComparison
from .summary import compare_runs as compare_runs
from .summary import run_comparison_cells as run_comparison_cells
from .summary import write_run_comparison as write_run_comparison

__all__ = [
    "Experiment",
    "RunComparison",
    "RunStatus",
    "StatusCallback",
    "compare_runs",
    "experiment_toml",
    "read_experiment",
    "run_comparison_cells",
    "run_grid",
    "write_run_comparison",
]
