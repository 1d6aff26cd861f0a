from .diagnosis import ADVICE as ADVICE
from .diagnosis import Cost as Cost
from .diagnosis import Diagnosis as Diagnosis
from .diagnosis import Symptom as Symptom
from .diagnosis import next_command as next_command
from .examination import doctor as doctor

__all__ = ["ADVICE", "Cost", "Diagnosis", "Symptom", "doctor", "next_command"]
