from .exporter import OPSET as OPSET
from .exporter import ExportedRun as ExportedRun
from .exporter import export_run as export_run
from .hyperparameters import read_hyperparameters as read_hyperparameters
from .importer import ImportedExperiment as ImportedExperiment
from .importer import import_bundle as import_bundle
from .model_exporter import TARGETS as TARGETS
from .model_exporter import ExportedModel as ExportedModel
from .model_exporter import Target as Target
from .model_exporter import export_model as export_model
from .model_importer import ImportedModel as ImportedModel
from .model_importer import import_model as import_model
from .model_importer import name_of_model as name_of_model
from .model_importer import run_of_model as run_of_model
from .model_source import holds_log as holds_log
from .model_source import holds_model as holds_model
from .model_source import may_be_model as may_be_model

__all__ = [
    "OPSET",
    "TARGETS",
    "ExportedModel",
    "ExportedRun",
    "ImportedExperiment",
    "ImportedModel",
    "Target",
    "export_model",
    "export_run",
    "holds_log",
    "holds_model",
    "import_bundle",
    "import_model",
    "may_be_model",
    "name_of_model",
    "read_hyperparameters",
    "run_of_model",
]
