"""What a reward file shows without being run: whether it is one, and what it imports and calls,
against what the real job has.

The simulator runs Python 3.12 with the packages in `SIMULATOR_MODULES` (docs/simulator.md 1.8).
The validators are stricter: what they allow is in `racer.checker.validators`.
"""

from __future__ import annotations

import ast
import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

from racer.checker.findings import CODES_OF_UNUSABLE, Finding, Rule, RuleContext, Severity
from racer.errors import did_you_mean, nearest_word
from racer.reward import (
    SIGNATURE_2018_START,
    Encoding,
    RewardFunction,
    RewardUnusable,
    UnusableReason,
    describe_unusable,
    dotted_name,
    downgrade_syntax,
    encoding_note,
    find_reward,
    import_aliases,
    load_reward,
    read_reward_text,
)

SIGNATURE_2018 = (
    "on_track",
    "x",
    "y",
    "distance_from_center",
    "car_orientation",
    "progress",
    "steps",
    "throttle",
    "steering",
    "track_width",
    "waypoints",
    "closest_waypoints",
)
"""What reward_function took in 2018, in order. The last one was spelled both ways."""
RENAMED_KEYS = {
    "on_track": "all_wheels_on_track",
    "car_orientation": "heading",
    "throttle": "speed",
    "steering": "steering_angle",
    "closest_waypoint": "closest_waypoints",
}
"""What these arguments are called in params."""
MAX_SOURCE_LINE_CHARS = 80

Function = ast.FunctionDef | ast.AsyncFunctionDef

REMOVED_MODULES = {"asynchat", "asyncore", "distutils", "imp", "smtpd"}
"""They left the standard library with Python 3.12."""
STANDARD_MODULES = (set(sys.stdlib_module_names) - REMOVED_MODULES) | {"__future__"}
COMMON_MODULES = {"numpy", "scipy", "shapely"}
"""In the simulator and in the validators."""
SIMULATOR_MODULES = {
    "bokeh", "boto3", "botocore", "cryptography", "dateutil", "h5py", "jsonschema", "keras", "kubernetes", "markov",
    "matplotlib", "minio", "pandas", "PIL", "psutil", "pygame", "pyparsing", "pytest", "pytz", "requests", "rl_coach",
    "rospkg", "setuptools", "six", "skimage", "tensorflow", "tensorflow_probability", "urllib3", "yaml", "zipp",
}  # fmt: skip
"""In the image of the simulator of 2026, for its own purposes: other generations of it differ."""
NETWORK_MODULES = {
    "asyncio", "boto3", "botocore", "ftplib", "http", "httpx", "imaplib", "minio", "poplib", "requests", "smtplib",
    "socket", "socketserver", "ssl", "telnetlib", "urllib", "urllib3", "webbrowser", "xmlrpc", "aiohttp", "paramiko",
}  # fmt: skip
OFFLINE_MODULES = {"asyncio", "urllib.parse", "http.HTTPStatus", "ssl"}
"""They alone open no connection."""
PROCESS_MODULES = {"multiprocessing", "subprocess", "pty", "pexpect"}
PROCESS_CALLS = {
    "os.system", "os.popen", "os.fork", "os.forkpty", "os.kill", "os.killpg", "os.posix_spawn", "os.startfile",
    "concurrent.futures.ProcessPoolExecutor", "asyncio.create_subprocess_exec", "asyncio.create_subprocess_shell",
}  # fmt: skip
FILE_MODULES = {
    "fileinput",
    "glob",
    "shelve",
    "shutil",
    "sqlite3",
    "tempfile",
    "zipfile",
    "tarfile",
    "dbm",
}
FILE_CALLS = {
    "open", "io.open", "os.open", "os.remove", "os.unlink", "os.rename", "os.replace", "os.mkdir", "os.makedirs",
    "os.rmdir", "os.listdir", "os.scandir", "os.walk", "pickle.load", "pickle.dump", "json.load", "json.dump",
    "numpy.load", "numpy.loadtxt", "numpy.genfromtxt", "numpy.fromfile", "numpy.memmap", "numpy.save", "numpy.savez",
    "numpy.savez_compressed", "numpy.savetxt", "logging.FileHandler", "codecs.open", "gzip.open", "bz2.open",
    "lzma.open",
}  # fmt: skip
FILE_METHODS = {"read_text", "read_bytes", "write_text", "write_bytes", "tofile"}
FORGIVING_EXCEPTIONS = {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"}

ImportNode = ast.Import | ast.ImportFrom
FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


def read_reward_file(
    name: str | os.PathLike[str],
) -> tuple[RewardFunction | None, list[Finding]]:
    """The reward function of that name or file, or None and what keeps it from being one.

    Raises UsageError when there is no such file.
    """
    path = find_reward(name)
    try:
        return load_reward(path), []
    except RewardUnusable as error:
        return None, [_finding_of_unusable(path, error)]


def find_encoding_errors(reward: RewardFunction, _: RuleContext) -> list[Finding]:
    """RW112: the file is not UTF-8, the only encoding that the job reads."""
    if reward.encoding is Encoding.UTF_8:
        return []
    message = f"the file {encoding_note(reward.encoding)}"
    return [Finding("RW112", message, reward.filename, 1)]


def find_newer_syntax(reward: RewardFunction, _: RuleContext) -> list[Finding]:
    """RW111: syntax that the simulator's Python 3.12 reads and older ones do not."""
    source = reward.source
    if reward.path.exists():
        source = read_reward_text(reward.path)[0]
    lines = source.split("\n")
    older_lines = downgrade_syntax(source).split("\n")
    for number, (line, older_line) in enumerate(zip(lines, older_lines, strict=False), start=1):
        if line != older_line:
            message = (
                "valid on Python 3.12, which the simulator runs, and not on 3.11: "
                f"`{line.strip()[:MAX_SOURCE_LINE_CHARS]}`"
            )
            return [Finding("RW111", message, reward.filename, number, 1)]
    return []


def find_signature_errors(reward: RewardFunction, _: RuleContext) -> list[Finding]:
    """RW102, RW103, RW104: no reward_function, one that does not take exactly params, and that of
    2018.
    """
    bound = _names_bound_by(reward.syntax.tree)
    if "reward_function" not in bound and "*" not in bound:
        return [_finding_of_missing_function(reward, bound)]
    function = bound.get("reward_function")
    if not isinstance(function, Function) or function.decorator_list:
        return []
    return _findings_of_kind(reward, function) or _findings_of_arguments(reward, function)


def is_signature_2018(names: list[str]) -> bool:
    """Whether these are the arguments of the reward function of 2018, as far as their names show
    it.
    """
    if len(names) <= 3:
        return False
    known = {*SIGNATURE_2018, "closest_waypoint"}
    starts_alike = tuple(names[: len(SIGNATURE_2018_START)]) == SIGNATURE_2018_START
    return starts_alike or len(known.intersection(names)) > len(names) // 2


def _finding_of_unusable(path: Path, error: RewardUnusable) -> Finding:
    """Why a file could not be loaded; RW111 when only this Python is too old for it."""
    message = describe_unusable(error)
    line = max(error.line, 1)
    column = max(error.column, 1)
    if error.reason is UnusableReason.SYNTAX and _is_fine_on_312(read_reward_text(path)[0]):
        version = f"{sys.version_info[0]}.{sys.version_info[1]}"
        message = (
            f"valid on Python 3.12, which the simulator runs, but Python {version}, which runs "
            f"racer here, says: {message}"
        )
        remedy = "run racer with Python 3.12 or newer: nothing else in this file could be checked"
        return Finding("RW111", message, str(path), line, column, remedy, Severity.WARNING)
    return Finding(CODES_OF_UNUSABLE[error.reason], message, str(path), line, column)


def _is_fine_on_312(source: str) -> bool:
    """Whether this Python is older than 3.12, and the source right but for the syntax of 3.12."""
    if sys.version_info >= (3, 12):
        return False
    older = downgrade_syntax(source, generics=True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(older, feature_version=(3, 11))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def _names_bound_by(tree: ast.Module) -> dict[str, ast.AST]:
    """Names that the file binds outside functions and classes, each with the last node that does;
    `*` for a star import.
    """
    bound: dict[str, ast.AST] = {}
    for node in _outer_nodes(tree):
        if isinstance(node, Function | ast.ClassDef):
            bound[node.name] = node
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            bound[node.id] = node
        elif isinstance(node, ast.Import | ast.ImportFrom):
            for alias in node.names:
                bound[alias.asname or alias.name] = node
    return bound


def _outer_nodes(node: ast.AST) -> list[ast.AST]:
    """Everything in a node that does not belong to a function or class in it; not by recursion:
    files nest deeply.
    """
    nodes: list[ast.AST] = []
    waiting = list(ast.iter_child_nodes(node))[::-1]
    while waiting:
        child = waiting.pop()
        nodes.append(child)
        if not isinstance(child, Function | ast.ClassDef | ast.Lambda):
            waiting += list(ast.iter_child_nodes(child))[::-1]
    return nodes


def _finding_of_missing_function(reward: RewardFunction, bound: dict[str, ast.AST]) -> Finding:
    inner = reward.syntax.entry
    if inner is not None:
        message = (
            "reward_function is defined inside a class or another function, where the job does not "
            "find it"
        )
        return Finding("RW102", message, reward.filename, inner.lineno, inner.col_offset + 1)
    lines = {name: node.lineno for name, node in bound.items() if isinstance(node, Function)}
    near = nearest_word("reward_function", list(lines))
    suggestion = did_you_mean("reward_function", list(lines))
    message = f"the file defines no reward_function(params){suggestion}"
    if near is None:
        return Finding("RW102", message, reward.filename)
    remedy = "rename it to reward_function"
    return Finding("RW102", message, reward.filename, lines[near], remedy=remedy)


def _findings_of_kind(reward: RewardFunction, function: Function) -> list[Finding]:
    """RW103 of a function that returns no number at once."""
    place = (reward.filename, function.lineno, function.col_offset + 1)
    if isinstance(function, ast.AsyncFunctionDef):
        message = "reward_function is `async def`, so a call returns no number"
        return [Finding("RW103", message, *place, "write `def`")]
    if any(isinstance(node, ast.Yield | ast.YieldFrom) for node in _outer_nodes(function)):
        message = "reward_function holds `yield`, so a call returns no number"
        return [Finding("RW103", message, *place, "write `return`")]
    return []


def _findings_of_arguments(reward: RewardFunction, function: Function) -> list[Finding]:
    """RW103 or RW104 of a function that cannot be called with params alone."""
    place = (reward.filename, function.lineno, function.col_offset + 1)
    arguments = function.args
    names = [argument.arg for argument in [*arguments.posonlyargs, *arguments.args]]
    if is_signature_2018(names):
        message = (
            f"this is the reward function of 2018, with {len(names)} arguments "
            f"({', '.join(names[:4])}, ...)"
        )
        return [Finding("RW104", message, *place, _remedy_for_2018(names))]
    required = len(names) - len(arguments.defaults)
    takes_one = len(names) > 0 or arguments.vararg is not None
    required_keywords = []
    for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        if default is None:
            required_keywords.append(argument.arg)
    if required <= 1 and takes_one and not required_keywords:
        return []
    if takes_one:
        all_names = ", ".join(names + required_keywords)
        message = f"reward_function takes ({all_names}): it must take exactly one, params"
    else:
        message = "reward_function takes no argument that params could be passed as"
    return [Finding("RW103", message, *place)]


def _remedy_for_2018(names: list[str]) -> str:
    pairs = [f"{name} is params['{RENAMED_KEYS[name]}']" for name in names if name in RENAMED_KEYS]
    return (
        f"write `def reward_function(params):` and read params['x'] and so on; {', '.join(pairs)}"
    )


def imported_modules(node: ImportNode) -> list[str]:
    """Dotted names that an import statement asks for: `numpy.linalg` of `from numpy.linalg import
    norm`.
    """
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return ["." * node.level + (node.module or "")]


def find_missing_imports(reward: RewardFunction, _: RuleContext) -> list[Finding]:
    """RW106: modules that the simulator lacks, or that only some generations of it have. RW113:
    files beside it.
    """
    findings = []
    for node, is_forgiven in _import_statements(reward.syntax.tree):
        for name in imported_modules(node):
            finding = _finding_of_module(reward, node, name, is_forgiven)
            if finding is not None:
                findings.append(finding)
    return findings


def find_inner_imports(reward: RewardFunction, _: RuleContext) -> list[Finding]:
    """RW107: imports that a call executes, which the validators refuse."""
    by_line: dict[int, ImportNode] = {}
    for function in _functions(reward.syntax.tree):
        for node in ast.walk(function):
            if isinstance(node, ImportNode):
                by_line[node.lineno] = node
    findings = []
    for line, node in sorted(by_line.items()):
        message = f"`{reward.text_of(line)}` is inside a function"
        findings.append(_finding_at(reward, "RW107", node, message, is_fixable=True))
    return findings


def find_network_use(reward: RewardFunction, _: RuleContext) -> list[Finding]:
    """RW108: imports of what opens connections."""
    findings = []
    for node, name in _imported_names(reward):
        if _top_level(name) in NETWORK_MODULES and name not in OFFLINE_MODULES:
            message = f"{name} opens network connections"
            findings.append(_finding_at(reward, "RW108", node, message))
    return findings


def find_file_use(reward: RewardFunction, _: RuleContext) -> list[Finding]:
    """RW109: reading and writing of files."""
    findings = []
    for node, name in _imported_names(reward):
        if _top_level(name) in FILE_MODULES:
            findings.append(_finding_at(reward, "RW109", node, f"{name} works on files"))
    for call, name in _calls(reward):
        method = call.func.attr if isinstance(call.func, ast.Attribute) else ""
        if name in FILE_CALLS or method in FILE_METHODS:
            message = f"{name or method}() reads or writes a file"
            findings.append(_finding_at(reward, "RW109", call, message))
    return findings


def find_process_use(reward: RewardFunction, _: RuleContext) -> list[Finding]:
    """RW110: starting other programs, or copies of this one."""
    findings = []
    for node, name in _imported_names(reward):
        if _top_level(name) in PROCESS_MODULES:
            message = f"{name} starts other processes"
            findings.append(_finding_at(reward, "RW110", node, message, Severity.WARNING))
    for call, name in _calls(reward):
        if name in PROCESS_CALLS or name.startswith(("os.exec", "os.spawn")):
            message = f"{name}() starts or ends other processes"
            findings.append(_finding_at(reward, "RW110", call, message))
    return findings


RULES: tuple[Rule, ...] = (
    find_encoding_errors,
    find_newer_syntax,
    find_signature_errors,
    find_missing_imports,
    find_inner_imports,
    find_network_use,
    find_file_use,
    find_process_use,
)


def _finding_of_module(
    reward: RewardFunction, node: ImportNode, name: str, is_forgiven: bool
) -> Finding | None:
    """What is wrong with the import of a module, None for one that the simulator has."""
    module = _top_level(name)
    if not module or module in reward.siblings:
        text = reward.text_of(node.lineno)
        message = f"`{text}` needs a file beside this one, which the job does not get"
        return _finding_at(reward, "RW113", node, message)
    if module in STANDARD_MODULES or module in COMMON_MODULES:
        return None
    if is_forgiven:
        message = f"the simulator has no {module}; the file goes on without it"
        return _finding_at(reward, "RW106", node, message, Severity.INFO)
    if module in SIMULATOR_MODULES:
        message = f"{module} is in the simulator of 2026 by chance, and in none of the validators"
        return _finding_at(reward, "RW106", node, message, Severity.WARNING)
    if module in REMOVED_MODULES:
        message = f"Python 3.12, which the simulator runs, has no {module} any more"
        return _finding_at(reward, "RW106", node, message)
    return _finding_at(reward, "RW106", node, f"the simulator has no module {module}")


def _top_level(name: str) -> str:
    return name.partition(".")[0]


def _imported_names(reward: RewardFunction) -> Iterator[tuple[ImportNode, str]]:
    """Every import statement with each dotted name that it asks for."""
    for node, _ in _import_statements(reward.syntax.tree):
        for name in imported_modules(node):
            yield node, name


def _import_statements(tree: ast.Module) -> Iterator[tuple[ImportNode, bool]]:
    """Every import statement, and whether its failure is caught."""
    forgiven: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Try) and any(map(_forgives, node.handlers)):
            for statement in node.body:
                forgiven.update(ast.walk(statement))
    for node in ast.walk(tree):
        if isinstance(node, ImportNode):
            yield node, node in forgiven


def _forgives(handler: ast.ExceptHandler) -> bool:
    """Whether a handler catches a failed import."""
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    names = {kind.id for kind in kinds if isinstance(kind, ast.Name)}
    return None in kinds or not names.isdisjoint(FORGIVING_EXCEPTIONS)


def _functions(tree: ast.Module) -> list[FunctionNode]:
    return [node for node in ast.walk(tree) if isinstance(node, FunctionNode)]


def _calls(reward: RewardFunction) -> list[tuple[ast.Call, str]]:
    """The calls of what is not defined in the file, with dotted names, in the order of their lines."""
    tree = reward.syntax.tree
    names = import_aliases(tree)
    own = {function.name for function in _functions(tree)}
    calls = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = dotted_name(node.func, names)
            if name not in own:
                calls.append((node, name))
    return sorted(calls, key=lambda pair: pair[0].lineno)


def _finding_at(
    reward: RewardFunction,
    code: str,
    node: ast.stmt | ast.expr,
    message: str,
    severity: Severity | None = None,
    is_fixable: bool = False,
) -> Finding:
    return Finding(
        code,
        message,
        reward.filename,
        node.lineno,
        node.col_offset + 1,
        severity=severity,
        is_fixable=is_fixable,
    )
