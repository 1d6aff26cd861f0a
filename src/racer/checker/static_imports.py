"""What a reward file imports and calls, against what the real job has: modules, network, files,
other programs.

The simulator runs Python 3.12 with the packages in `SIMULATOR_MODULES` (docs/simulator.md 1.8). The
validators are stricter: what they allow is in `racer.checker.validators`.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator

from racer.checker.findings import Finding, Rule, RuleContext, Severity
from racer.reward import RewardFunction

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


def imported_modules(node: ImportNode) -> list[str]:
    """Dotted names that an import statement asks for: `numpy.linalg` of `from numpy.linalg import
    norm`.
    """
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return ["." * node.level + (node.module or "")]


def import_aliases(tree: ast.Module) -> dict[str, str]:
    """What each imported name stands for, in full: `np` is `numpy`, `system` is `os.system`."""
    meanings: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                module = alias.name if alias.asname else alias.name.partition(".")[0]
                meanings[alias.asname or module] = module
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                meanings[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return meanings


def dotted_name(node: ast.expr, names: dict[str, str]) -> str:
    """`numpy.load` of the expression `np.load`; empty for what is no plain chain of names."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return ""
    return ".".join([names.get(node.id, node.id), *reversed(parts)])


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
