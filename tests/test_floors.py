"""The shape of the package: who may import whom, what a light import must not load, what every file
must have.
"""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from functools import cache
from graphlib import CycleError, TopologicalSorter
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
SRC = ROOT / "src"

# The floors, lowest first. A part (a module or folder of `racer`) imports from lower floors, and on
# its own floor from the parts named before it. `racer` itself is the version.
FLOORS = (
    ("racer", "errors", "files", "records", "geometry", "stats", "resources"),
    ("track", "vehicle", "reward"),
    ("sim", "sensors", "env"),
    ("raceline", "drivers", "action_design"),
    ("logs", "analysis"),
    ("diagnostics", "checker"),
    ("plotting", "report"),
    ("training", "tuning"),
    ("cli", "testing", "__main__"),
)
PARTS = [part for floor in FLOORS for part in floor]

# Third-party packages that only these parts may import, be it inside a function.
ONLY_IN = {
    "torch": {"training"},
    "stable_baselines3": {"training"},
    "tensorboard": {"training"},
    "onnxruntime": {"training"},
    "typer": {"cli"},
    "rich": {"cli", "training"},
    "gymnasium": {"env", "training"},
    "hypothesis": {"testing"},
    "pytest": {"testing"},
    "casadi": {"raceline"},
    "bokeh": {"report"},
    "jinja2": {"report"},
    "optuna": {"tuning"},
}
CORE = ("errors", "files", "geometry", "stats", "resources", "track", "vehicle", "reward", "sim")
NOT_IN_CORE = {"gymnasium", "torch", "pandas", "matplotlib"}

HEAVY = (
    "pandas",
    "matplotlib",
    "torch",
    "numba",
    "gymnasium",
    "stable_baselines3",
    "pydantic",
    "hypothesis",
    "bokeh",
)
FORBIDDEN_NAMES = {
    "utils",
    "util",
    "helpers",
    "helper",
    "common",
    "manager",
    "handler",
    "base",
    "core",
    "misc",
}
MOST_LINES = 500
MAX_IMPORT_DEPTH = 14
MAX_FILES = 301
MAX_LOOSE_MODULES = 8


def name_of(path: Path) -> str:
    """`racer.track.track` of its file."""
    parts = path.relative_to(SRC).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {name_of(path): path for path in sorted((SRC / "racer").rglob("*.py"))}


def part_of(module: str) -> str:
    """`track` of `racer.track.track`; `racer` of `racer`."""
    return module.split(".")[1] if "." in module else module


@cache
def tree(module: str) -> ast.Module:
    return ast.parse(FILES[module].read_text("utf-8"))


@cache
def imports(module: str, at_load: bool = False) -> frozenset[str]:
    """Dotted names that a module imports: anywhere, or `at_load`: outside functions and `if
    TYPE_CHECKING`.
    """
    nodes = loaded_nodes(tree(module)) if at_load else ast.walk(tree(module))
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} line {node.lineno}: imports are absolute"
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in FILES else str(node.module) for name in inner}
    return frozenset(found)


def loaded_nodes(node: ast.AST) -> list[ast.AST]:
    """The nodes that run when a module is imported."""
    found: list[ast.AST] = []
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        found += [child, *loaded_nodes(child)]
    return found


def outside(module: str) -> set[str]:
    """Top-level names of the third-party packages a module imports anywhere."""
    return (
        {name.split(".")[0] for name in imports(module)} - set(sys.stdlib_module_names) - {"racer"}
    )


def test_every_module_stands_on_a_floor() -> None:
    assert {module for module in FILES if part_of(module) not in PARTS} == set(), (
        "say in FLOORS where it stands"
    )


def test_a_module_imports_from_lower_floors_only() -> None:
    inner = [
        (module, name)
        for module in FILES
        for name in imports(module)
        if name.split(".")[0] == "racer"
    ]
    upward = {f"{user} imports {used}" for user, used in inner if height(used) > height(user)}
    assert upward == set()


def height(module: str) -> int:
    return PARTS.index(part_of(module))


@cache
def exports(folder: str) -> dict[str, str]:
    """The names that a folder's stub gives, each with the module that it comes from."""
    stub = FILES[folder].with_suffix(".pyi")
    if not stub.exists():
        return {}
    given = {}
    for node in ast.parse(stub.read_text("utf-8")).body:
        if isinstance(node, ast.ImportFrom):
            given |= {alias.name: f"{folder}.{node.module}" for alias in node.names}
    return given


def defining_module(name: str) -> str | None:
    """The file behind a dotted name that is imported: a module, or where a folder's name is from."""
    if name in FILES:
        return name
    folder, _, thing = name.rpartition(".")
    if folder not in FILES:
        return None
    source = exports(folder).get(thing)
    return folder if source is None else defining_module(f"{source}.{thing}")


@cache
def used_modules(module: str, at_load: bool) -> frozenset[str]:
    """The files that a module needs: anywhere but for types alone, or `at_load`."""
    nodes = loaded_nodes(tree(module)) if at_load else running_nodes(tree(module))
    used: set[str | None] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            used |= {defining_module(alias.name) for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            used |= {defining_module(f"{node.module}.{alias.name}") for alias in node.names}
    return frozenset(name for name in used - {module} if name is not None)


def running_nodes(node: ast.AST) -> list[ast.AST]:
    """The nodes that may run: all but those below `if TYPE_CHECKING`."""
    found: list[ast.AST] = []
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        found += [child, *running_nodes(child)]
    return found


@pytest.mark.parametrize("at_load", [True, False], ids=["at load", "ever"])
def test_no_cycle_and_no_long_chain(at_load: bool) -> None:
    graph = {module: used_modules(module, at_load) for module in FILES}
    try:
        order = [*TopologicalSorter(graph).static_order()]
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))
    depth: dict[str, int] = {}
    for module in order:
        depth[module] = 1 + max((depth[used] for used in graph[module]), default=0)
    deepest = max(depth, key=lambda module: depth[module])
    assert depth[deepest] <= MAX_IMPORT_DEPTH, deepest


def test_the_package_can_be_surveyed() -> None:
    assert len(FILES) <= MAX_FILES
    loose = [module for module in FILES if module.count(".") == 1 and not is_folder(module)]
    assert len(loose) + 1 <= MAX_LOOSE_MODULES  # and racer/__init__.py


def is_folder(module: str) -> bool:
    """Whether it is the `__init__` of a folder."""
    return FILES[module].name == "__init__.py"


def test_a_module_is_named_for_what_it_knows() -> None:
    assert {module for module in FILES if FORBIDDEN_NAMES & set(module.split("."))} == set()


def test_outside_packages_stay_in_their_part() -> None:
    pairs = [(module, name) for module in FILES for name in outside(module) & set(ONLY_IN)]
    assert {
        f"{module} imports {name}" for module, name in pairs if part_of(module) not in ONLY_IN[name]
    } == set()


def test_the_core_knows_no_environment_learner_table_or_picture() -> None:
    core = [module for module in FILES if part_of(module) in CORE]
    assert {
        f"{module} imports {name}" for module in core for name in outside(module) & NOT_IN_CORE
    } == set()


def test_every_outside_package_is_a_declared_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    lines = [
        line
        for lines in [project["dependencies"], *project["optional-dependencies"].values()]
        for line in lines
    ]
    declared = {canonicalize_name(Requirement(line).name) for line in lines}
    owners = packages_distributions()
    for module in FILES:
        for name in outside(module):
            assert declared & {canonicalize_name(owner) for owner in owners.get(name, [name])}, (
                f"{module}: {name}"
            )


@pytest.mark.parametrize(
    "module", ["racer", "racer.errors", "racer.cli", "racer.testing.pytest_plugin"]
)
def test_a_light_import_loads_nothing_heavy(module: str) -> None:
    check = f"import sys, {module}; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_command_loads_heavy_packages_only_when_it_works() -> None:
    commands = [module for module in FILES if part_of(module) == "cli"]
    heavy = [(module, name) for module in commands for name in imports(module, at_load=True)]
    assert {
        f"{module} imports {name}" for module, name in heavy if name.split(".")[0] in HEAVY
    } == set()


def test_a_file_can_be_read_in_one_sitting() -> None:
    lines = {module: len(path.read_text("utf-8").splitlines()) for module, path in FILES.items()}
    assert {module: count for module, count in lines.items() if count > MOST_LINES} == {}


def test_every_module_and_everything_public_says_what_it_is() -> None:
    public = [
        (f"{module}.{node.name}", node)
        for module in FILES
        for node in tree(module).body
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
    ]
    whole = [(module, tree(module)) for module in FILES]
    assert {name for name, node in [*whole, *public] if not ast.get_docstring(node)} == set()
