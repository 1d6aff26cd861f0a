"""What a check says: one `Finding` for each fact, with a stable code, a place, a sentence and a cure.

A finding is built where the fact is known. A rule that needs no driving is a `Rule`: `rule(reward,
context) -> list[Finding]`. Modules of rules offer `RULES`, a tuple of them; the runner applies each
of them once to a file.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from racer.errors import did_you_mean, printable
from racer.reward import RefusalReason, RewardFunction, UnusableReason

CODES_OF_REFUSALS = {
    RefusalReason.RAISED: "RW201",
    RefusalReason.RECURSION: "RW201",
    RefusalReason.NAN: "RW202",
    RefusalReason.INFINITE: "RW203",
    RefusalReason.BEYOND_LIMIT: "RW204",
    RefusalReason.NO_NUMBER: "RW205",
    RefusalReason.TIMEOUT: "RW206",
    RefusalReason.STUCK: "RW206",
    RefusalReason.EXIT: "RW208",
    RefusalReason.THREAD: "RW209",
    RefusalReason.THREAD_LIMIT: "RW209",
    RefusalReason.FLOOD: "RW210",
    RefusalReason.MEMORY: "RW211",
    RefusalReason.BLOCKED: "RW201",
}
"""The code of a call that the real job would have ended for."""

CODES_OF_UNUSABLE = {
    UnusableReason.UNREADABLE: "RW101",
    UnusableReason.ARCHIVE: "RW101",
    UnusableReason.NOTEBOOK: "RW101",
    UnusableReason.EMPTY: "RW102",
    UnusableReason.SYNTAX: "RW101",
    UnusableReason.NOT_COMPILED: "RW101",
    UnusableReason.NO_FUNCTION: "RW102",
    UnusableReason.NOT_CALLABLE: "RW103",
    UnusableReason.ASYNC: "RW103",
    UnusableReason.GENERATOR: "RW103",
    UnusableReason.SIGNATURE: "RW103",
    UnusableReason.SIGNATURE_2018: "RW104",
}
"""The code of a file that is no reward function."""


@dataclass(frozen=True)
class FindingCode:
    """One line of the table of codes: a short name, `error`, `warning` or `info`, what it means, and
    what to do.
    """

    name: str
    severity: str
    meaning: str
    cure: str


CODES: dict[str, FindingCode] = {
    # 1xx: loads and runs
    "RW101": FindingCode("syntax-error", "error", "the file is not valid Python", "mend the line that Python names"),
    "RW102": FindingCode(
        "no-reward-function", "error", "there is no reward_function",
        "define `def reward_function(params):` in the file",
    ),
    "RW103": FindingCode(
        "wrong-signature", "error", "reward_function does not take exactly one argument, or returns no number at once",
        "write `def reward_function(params):`",
    ),
    "RW104": FindingCode(
        "signature-2018", "error", "the reward function of 2018, with a dozen arguments",
        "write `def reward_function(params):` and read params['x'], params['distance_from_center'] and so on",
    ),
    "RW105": FindingCode(
        "fails-to-load", "error", "the file raises or hangs when it is loaded", "mend the code outside functions"
    ),
    "RW106": FindingCode(
        "import-missing", "error", "an import that the simulator does not have",
        "use only the standard library, numpy, scipy and shapely",
    ),
    "RW107": FindingCode("import-inside", "warning", "an import inside a function", "move the import to the top of the file"),
    "RW108": FindingCode(
        "uses-network", "warning", "code that opens network connections", "take it out: the job has no network"
    ),
    "RW109": FindingCode("uses-files", "warning", "code that reads or writes files", "keep what it needs in the file itself"),
    "RW110": FindingCode("starts-processes", "error", "code that starts other programs or processes", "take it out"),
    "RW111": FindingCode(
        "python-version", "warning", "syntax that other Python versions read differently",
        "write it so that every version reads it alike",
    ),
    "RW112": FindingCode("encoding", "error", "the file is not UTF-8", "save the file as UTF-8"),
    "RW113": FindingCode(
        "own-module", "error", "an import of a file beside it, which the job does not get", "put it all in one file"
    ),
    # 2xx: never crashes
    "RW201": FindingCode("raises", "error", "an exception, which ends the real job", "guard the case that is shown"),
    "RW202": FindingCode(
        "returns-nan", "error", "a reward that is not a number, which ends the real job", "guard the case shown"
    ),
    "RW203": FindingCode("returns-infinite", "error", "an infinite reward, which ends the real job", "guard the case shown"),
    "RW204": FindingCode("returns-too-much", "error", "a reward beyond 1e5, which ends the real job", "bound the reward"),
    "RW205": FindingCode(
        "returns-no-number", "error", "a result that float() refuses, which ends the real job",
        "return a float on every path",
    ),
    "RW206": FindingCode("never-returns", "error", "a call that does not come back", "bound the loop"),
    "RW207": FindingCode("slow", "warning", "calls that take long", "compute what stays the same once, outside the function"),
    "RW208": FindingCode("ends-the-process", "error", "a call that ends the program", "take the exit out"),
    "RW209": FindingCode(
        "leaves-threads", "error", "threads or processes that go on after a call",
        "do everything in the call itself",
    ),
    "RW210": FindingCode("prints-without-end", "error", "output without end", "take the print out"),
    "RW211": FindingCode("out-of-memory", "error", "memory without end", "keep less"),
    # 3xx: behaves
    "RW301": FindingCode(
        "keeps-state", "info", "the reward remembers earlier calls, and so differs for the same params",
        "reset what it remembers when params['steps'] <= 2",
    ),
    "RW302": FindingCode(
        "leaks-between-episodes", "warning", "what it remembers reaches from one episode into the next",
        "reset it when params['steps'] <= 2",
    ),
    "RW303": FindingCode("changes-params", "warning", "params are changed, which has no effect", "work on a copy of your own"),
    "RW304": FindingCode("prints", "info", "it prints on every step", "take the print out, or the log grows by gigabytes"),
    "RW305": FindingCode("depends-on-time", "warning", "the reward depends on the clock on the wall", "use params['steps']"),
    "RW306": FindingCode("random", "warning", "the reward is random", "take the randomness out, or seed it"),
    "RW307": FindingCode("unknown-key", "warning", "a key that params never have", "use one of the 23 documented keys"),
    "RW308": FindingCode(
        "undocumented-key", "warning", "a key that some platforms do not pass", "compute it from documented keys"
    ),
    "RW309": FindingCode("one-track-only", "warning", "a table that fits only one track", "say which with --track"),
    "RW310": FindingCode("never-reached", "info", "code that no drive reaches", "take it out, or mend its condition"),
    "RW311": FindingCode("constant-term", "info", "a part of the reward that never varies", "take it out"),
    "RW312": FindingCode("constant-reward", "warning", "every step pays the same", "pay what you want more of"),
    "RW313": FindingCode("jackpot", "warning", "one step pays more than half a lap", "spread the bonus over the lap"),
    "RW314": FindingCode(
        "not-symmetric", "info", "a track and its mirror image pay differently",
        "treat left and right alike, if you can",
    ),
    "RW315": FindingCode("replaces-functions", "warning", "functions of other modules are replaced", "take it out"),
    "RW316": FindingCode(
        "missed-first-step", "warning", "a condition on steps that holds in no call",
        "write `params['steps'] <= 2` for the first call of an episode",
    ),
    "RW317": FindingCode(
        "punishes-reversed", "warning", "is_reversed is punished, which is the direction of the track",
        "compare heading with the direction of the road instead",
    ),
    "RW318": FindingCode(
        "mixed-angles", "warning", "radians and degrees in one expression",
        "convert with math.degrees(...) or math.radians(...) first",
    ),
    "RW319": FindingCode(
        "milestone-window", "warning", "a bonus that is paid in every step of a window of progress",
        "pay it once: remember the last milestone, and forget it when params['steps'] <= 2",
    ),
    "RW320": FindingCode(
        "no-lap-pays-best", "warning", "a car that completes no lap is paid more than every lap that was tried",
        "pay for progress; racer foresee shows what the reward asks for",
    ),
    # 4xx: would be accepted by a validator (only asked for with --profile)
    "RW401": FindingCode("profile-length", "error", "the file is empty or too long for the validator", "shorten it"),
    "RW402": FindingCode(
        "profile-style", "error", "flake8, which the validator asks, objects", "change what it names, or use --fix"
    ),
    "RW403": FindingCode(
        "profile-import", "error", "an import that the validator does not allow",
        "import nothing but math, random, numpy, scipy and shapely",
    ),
    "RW404": FindingCode(
        "profile-builtin", "error", "a builtin that the validator does not allow",
        "do without open, exec, eval, compile and input",
    ),
    "RW405": FindingCode(
        "profile-word", "error", "a word that the validator does not allow anywhere, not even in a comment",
        "rename what is called so, and rewrite the comment",
    ),
    "RW406": FindingCode(
        "profile-import-inside", "error", "an import that runs in a call, which the validator refuses",
        "move the import to the top of the file",
    ),
    "RW407": FindingCode(
        "profile-signature", "error", "reward_function does not have exactly one argument",
        "write `def reward_function(params):`",
    ),
    "RW408": FindingCode(
        "profile-raises", "error", "an exception in one of the validator's five situations",
        "guard the case that is shown",
    ),
    "RW409": FindingCode(
        "profile-no-float", "error", "a result that is no float: the validator refuses an int or a bool",
        "write `return float(...)`",
    ),
    "RW410": FindingCode("profile-range", "error", "a result beyond 1e5, infinite or nan", "bound the reward"),
    "RW411": FindingCode("profile-time", "error", "a call that takes longer than the validator waits", "bound the loop"),
    "RW412": FindingCode(
        "profile-chain", "error", "a call that the validator's search for builtins stumbles over",
        "give what stands before the dot a name of its own",
    ),
    "RW413": FindingCode("profile-load", "error", "the validator cannot load the file", "mend the code outside functions"),
}  # fmt: skip


class Severity(StrEnum):
    """How bad a finding is. Only an error makes `racer check` fail."""

    ERROR = "error"  # the real job would stop, or refuse the file
    WARNING = "warning"  # it runs, and hardly does what was meant
    INFO = "info"  # worth knowing


@dataclass(frozen=True)
class Finding:
    """One fact about a reward file.

    Attributes
    ----------
    code
        A key of `CODES`.
    message
        What is wrong, in words.
    path, line, column
        Where. Line 0 means the file as a whole; columns count from 1, and 0 is unknown.
    remedy, severity
        What to do, and how bad it is: where left empty, as the table of codes has it.
    circumstances
        Where and when the fact shows, in words.
    exception
        The class name of the exception that was seen, where there was one.
    params
        The smallest params that show the fact.
    test
        A ready-made test that fails while the fact stands.
    profile
        The validator that refuses (codes 4xx).
    is_fixable
        Whether `--fix` may help.
    """

    code: str
    message: str
    path: str
    line: int = 0
    column: int = 0
    remedy: str = ""
    severity: Severity | None = None
    test: str = ""
    params: dict[str, Any] | None = None
    profile: str = ""
    is_fixable: bool = False
    circumstances: str = ""
    exception: str = ""

    def __post_init__(self) -> None:
        code = CODES[self.code]
        object.__setattr__(self, "message", printable(self.message))
        object.__setattr__(self, "remedy", self.remedy or code.cure)
        object.__setattr__(self, "severity", Severity(self.severity or code.severity))

    @property
    def is_error(self) -> bool:
        """Whether it makes a check fail."""
        return self.severity is Severity.ERROR

    @property
    def sentence(self) -> str:
        """The message with its circumstances."""
        if self.circumstances:
            return f"{self.message}; {self.circumstances}"
        return self.message


@dataclass(frozen=True)
class RuleContext:
    """What a rule may know besides the reward: where the file is, and which validators are asked."""

    path: Path
    profiles: tuple[str, ...] = ()


Rule = Callable[[RewardFunction, RuleContext], list[Finding]]


def suggest_code(word: str) -> str:
    """`: did you mean 'RW210'?` for a code or name that is misspelled; empty where none is near.

    A code is looked for in its hundred first.

    >>> suggest_code("rw20l"), suggest_code("one-trak-only")
    (": did you mean 'RW210'?", ": did you mean 'one-track-only'?")
    """
    code = word.upper()
    codes = [known for known in CODES if known.startswith(code[:3])] or list(CODES)
    names = [known.name for known in CODES.values()]
    return did_you_mean(code, codes) or did_you_mean(word.lower(), names)
