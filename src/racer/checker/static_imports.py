"""What a reward file imports and calls, against what the real job has: modules, network, files,
other programs.

The simulator runs Python 3.12 with the packages in `IN_SIMULATOR` (SIMULATOR.md 1.8); the names of
the validators are stricter and live in `racer.checker.validators`.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator

from racer.checker.findings import Finding, Rule, RuleContext, Severity
from racer.reward import RewardFunction

# left the standard library with Python 3.12
REMOVED_MODULES = {"asynchat", "asyncore", "distutils", "imp", "smtpd"}
STANDARD_MODULES = (set(sys.stdlib_module_names) - REMOVED_MODULES) | {"__future__"}
COMMON_MODULES = {"numpy", "scipy", "shapely"}  # in the simulator and in the validators
# in the image of the simulator of 2026, for its own purposes: other generations of it differ
SIMULATOR_MODULES = {
    "bokeh", "boto3", "botocore", "cryptography", "dateutil", "h5py", "jsonschema", "keras", "kubernetes", "markov",
    "matplotlib", "minio", "pandas", "PIL", "psutil", "pygame", "pyparsing", "pytest", "pytz", "requests", "rl_coach",
    "rospkg", "setuptools", "six", "skimage", "tensorflow", "tensorflow_probability", "urllib3", "yaml", "zipp",
}  # fmt: skip
NETWORK_MODULES = {
    "asyncio", "boto3", "botocore", "ftplib", "http", "httpx", "imaplib", "minio", "poplib", "requests", "smtplib",
    "socket", "socketserver", "ssl", "telnetlib", "urllib", "urllib3", "webbrowser", "xmlrpc", "aiohttp", "paramiko",
}  # fmt: skip
OFFLINE_MODULES = {
    "asyncio",
    "urllib.parse",
    "http.HTTPStatus",
    "ssl",
}  # they alone open no connection
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


def imported_modules(node: ast.stmt) -> list[str]:
    """Dotted names that an import statement asks for: `numpy.linalg` of `from numpy.linalg import
    norm`.
    """
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return ["." * node.level + (node.module or "")]
    return []


def import_aliases(tree: ast.Module) -> dict[str, str]:
    """What each imported name stands for, in full: `np` is `numpy`, `system` is `os.system`."""
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                whole = alias.name if alias.asname else alias.name.partition(".")[0]
                found[alias.asname or whole] = whole
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {
                alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names
            }
    return found


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
    found = []
    for node, forgiven in _imports(reward.syntax.tree):
        for name in imported_modules(node):
            found += _missing(reward, node, name, forgiven)
    return found


def find_inner_imports(reward: RewardFunction, _: RuleContext) -> list[Finding]:
    """RW107: imports that a call executes, which the validators refuse."""
    places = [node for function in _functions(reward.syntax.tree) for node in ast.walk(function)]
    inner = {node.lineno: node for node in places if isinstance(node, ast.Import | ast.ImportFrom)}
    return [
        _at(
            reward, "RW107", node, f"`{reward.text_of(line)}` is inside a function", is_fixable=True
        )
        for line, node in sorted(inner.items())
    ]


def find_network_use(reward: RewardFunction, _: RuleContext) -> list[Finding]:
    """RW108: imports of what opens connections."""
    found = []
    for node, _forgiven in _imports(reward.syntax.tree):
        for name in imported_modules(node):
            if name.partition(".")[0] in NETWORK_MODULES and name not in OFFLINE_MODULES:
                found.append(_at(reward, "RW108", node, f"{name} opens network connections"))
    return found


def find_file_use(reward: RewardFunction, _: RuleContext) -> list[Finding]:
    """RW109: reading and writing of files."""
    found = [
        _at(reward, "RW109", node, f"{name} works on files")
        for node, _forgiven in _imports(reward.syntax.tree)
        for name in imported_modules(node)
        if name.partition(".")[0] in FILE_MODULES
    ]
    for call, name in _calls(reward):
        method = call.func.attr if isinstance(call.func, ast.Attribute) else ""
        if name in FILE_CALLS or method in FILE_METHODS:
            found.append(_at(reward, "RW109", call, f"{name or method}() reads or writes a file"))
    return found


def find_process_use(reward: RewardFunction, _: RuleContext) -> list[Finding]:
    """RW110: starting other programs, or copies of this one."""
    found = [
        _at(reward, "RW110", node, f"{name} starts other processes", Severity.WARNING)
        for node, _forgiven in _imports(reward.syntax.tree)
        for name in imported_modules(node)
        if name.partition(".")[0] in PROCESS_MODULES
    ]
    for call, name in _calls(reward):
        if name in PROCESS_CALLS or name.startswith(("os.exec", "os.spawn")):
            found.append(_at(reward, "RW110", call, f"{name}() starts or ends other processes"))
    return found


RULES: tuple[Rule, ...] = (
    find_missing_imports,
    find_inner_imports,
    find_network_use,
    find_file_use,
    find_process_use,
)


def _missing(reward: RewardFunction, node: ast.stmt, name: str, forgiven: bool) -> list[Finding]:
    top = name.partition(".")[0]
    if not top or top in reward.siblings:
        what = f"`{reward.text_of(node.lineno)}` needs a file beside this one, which the job does not get"
        return [_at(reward, "RW113", node, what)]
    if top in STANDARD_MODULES or top in COMMON_MODULES:
        return []
    if forgiven:
        return [
            _at(
                reward,
                "RW106",
                node,
                f"the simulator has no {top}; the file goes on without it",
                Severity.INFO,
            )
        ]
    if top in SIMULATOR_MODULES:
        what = f"{top} is in the simulator of 2026 by chance, and in none of the validators"
        return [_at(reward, "RW106", node, what, Severity.WARNING)]
    if top in REMOVED_MODULES:
        return [
            _at(
                reward,
                "RW106",
                node,
                f"Python 3.12, which the simulator runs, has no {top} any more",
            )
        ]
    return [_at(reward, "RW106", node, f"the simulator has no module {top}")]


def _imports(tree: ast.Module) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool]]:
    """Every import statement, and whether its failure is caught."""
    forgiven: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Try) and any(_forgives(handler) for handler in node.handlers):
            forgiven |= {inner for statement in node.body for inner in ast.walk(statement)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node, node in forgiven


def _forgives(handler: ast.ExceptHandler) -> bool:
    caught = [handler.type] if not isinstance(handler.type, ast.Tuple) else handler.type.elts
    return any(
        kind is None or (isinstance(kind, ast.Name) and kind.id in FORGIVING_EXCEPTIONS)
        for kind in caught
    )


def _functions(tree: ast.Module) -> list[ast.AST]:
    return [
        node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def _calls(reward: RewardFunction) -> list[tuple[ast.Call, str]]:
    tree = reward.syntax.tree
    names = import_aliases(tree)
    own = {
        node.name
        for node in _functions(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    found = [(call, dotted_name(call.func, names)) for call in calls]
    return sorted(
        ((call, name) for call, name in found if name not in own), key=lambda pair: pair[0].lineno
    )


def _at(
    reward: RewardFunction,
    code: str,
    node: ast.stmt | ast.expr,
    message: str,
    severity: Severity | None = None,
    is_fixable: bool = False,
) -> Finding:
    place = (reward.filename, node.lineno, node.col_offset + 1)
    return Finding(code, message, *place, severity=severity, is_fixable=is_fixable)
