from .findings import CODES as CODES
from .findings import Finding as Finding
from .findings import FindingCode as FindingCode
from .findings import Severity as Severity
from .findings import suggest_code as suggest_code
from .fix import FixResult as FixResult
from .fix import fix_reward as fix_reward
from .fix import write_fix as write_fix
from .kernel import kernel_gap as kernel_gap
from .results import CheckReport as CheckReport
from .results import CheckResult as CheckResult
from .results import checks_as_github as checks_as_github
from .results import checks_as_json as checks_as_json
from .results import checks_as_sarif as checks_as_sarif
from .results import finding_as_dict as finding_as_dict
from .results import format_check as format_check
from .results import format_finding as format_finding
from .runner import CALL_TIMEOUT_S as CALL_TIMEOUT_S
from .runner import ProjectSettings as ProjectSettings
from .runner import check as check
from .runner import expand_paths as expand_paths
from .runner import read_project_settings as read_project_settings

__all__ = [
    "CALL_TIMEOUT_S",
    "CODES",
    "CheckReport",
    "CheckResult",
    "Finding",
    "FindingCode",
    "FixResult",
    "ProjectSettings",
    "Severity",
    "check",
    "checks_as_github",
    "checks_as_json",
    "checks_as_sarif",
    "expand_paths",
    "finding_as_dict",
    "fix_reward",
    "format_check",
    "format_finding",
    "kernel_gap",
    "read_project_settings",
    "suggest_code",
    "write_fix",
]
