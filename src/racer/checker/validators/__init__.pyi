from .profiles import RULES as RULES
from .profiles import find_profile as find_profile
from .profiles import find_text_objections as find_text_objections
from .profiles import find_trial_objections as find_trial_objections
from .profiles import validator_findings as validator_findings
from .style import ALLOWED_IMPORTS as ALLOWED_IMPORTS
from .style import REFUSED_WORDS as REFUSED_WORDS
from .style import Flake8Remark as Flake8Remark
from .style import flake8_remarks as flake8_remarks
from .trial import sample_params as sample_params

__all__ = [
    "ALLOWED_IMPORTS",
    "REFUSED_WORDS",
    "RULES",
    "Flake8Remark",
    "find_profile",
    "find_text_objections",
    "find_trial_objections",
    "flake8_remarks",
    "sample_params",
    "validator_findings",
]
