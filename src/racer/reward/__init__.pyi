from .batch import REWARD_TIMEOUT_S as REWARD_TIMEOUT_S
from .batch import RewardBatch as RewardBatch
from .clock_use import clock_that_decides as clock_that_decides
from .clock_use import dotted_name as dotted_name
from .clock_use import import_aliases as import_aliases
from .columns import ColumnProgram as ColumnProgram
from .columns import NotColumnar as NotColumnar
from .columns import Table as Table
from .errors import MAX_ABS_REWARD as MAX_ABS_REWARD
from .errors import CallStopped as CallStopped
from .errors import RefusalReason as RefusalReason
from .errors import RewardRefused as RewardRefused
from .errors import RewardUnusable as RewardUnusable
from .errors import UnusableReason as UnusableReason
from .errors import describe_refusal as describe_refusal
from .errors import describe_unusable as describe_unusable
from .errors import refusal_cause as refusal_cause
from .errors import relocate_refusal as relocate_refusal
from .hard_timeout import die_with_parent as die_with_parent
from .hard_timeout import note_reward_files_in as note_reward_files_in
from .isolation import trace_return_line as trace_return_line
from .load import Encoding as Encoding
from .load import RewardFunction as RewardFunction
from .load import compile_quietly as compile_quietly
from .load import encoding_note as encoding_note
from .load import find_reward as find_reward
from .load import load_reward as load_reward
from .load import read_reward_text as read_reward_text
from .load import reads_objects as reads_objects
from .load import shipped_rewards as shipped_rewards
from .python311 import downgrade_syntax as downgrade_syntax
from .snapshot import SIGNATURE_2018_START as SIGNATURE_2018_START
from .thread_times import seconds_waited as seconds_waited
from .watchdog import call_each as call_each

__all__ = [
    "MAX_ABS_REWARD",
    "REWARD_TIMEOUT_S",
    "SIGNATURE_2018_START",
    "CallStopped",
    "ColumnProgram",
    "Encoding",
    "NotColumnar",
    "RefusalReason",
    "RewardBatch",
    "RewardFunction",
    "RewardRefused",
    "RewardUnusable",
    "Table",
    "UnusableReason",
    "call_each",
    "clock_that_decides",
    "compile_quietly",
    "describe_refusal",
    "describe_unusable",
    "die_with_parent",
    "dotted_name",
    "downgrade_syntax",
    "encoding_note",
    "find_reward",
    "import_aliases",
    "load_reward",
    "note_reward_files_in",
    "read_reward_text",
    "reads_objects",
    "refusal_cause",
    "relocate_refusal",
    "seconds_waited",
    "shipped_rewards",
    "trace_return_line",
]
