from .exporter import OPSET as OPSET
from .exporter import ExportedRun as ExportedRun
from .exporter import export_run as export_run
from .hyperparameters import read_hyperparameters as read_hyperparameters
from .importer import ImportedExperiment as ImportedExperiment
from .importer import import_bundle as import_bundle

__all__ = [
    "OPSET",
    "ExportedRun",
    "ImportedExperiment",
    "export_run",
    "import_bundle",
    "read_hyperparameters",
]
