"""The public face: what `import racer` gives, what a folder gives, and that nobody goes around them."""

from __future__ import annotations

import ast
import doctest
import importlib
import inspect
import os
import subprocess
import sys
from pathlib import Path

import pytest

import racer

SRC = Path(racer.__file__).parent
FOLDERS = sorted(
    f"racer.{'.'.join(stub.parent.relative_to(SRC).parts)}" for stub in SRC.rglob("*/__init__.pyi")
)
NEEDS = {"train": "torch", "evaluate": "torch", "Run": "torch"}


def test_the_face_is_as_designed() -> None:
    assert racer.__all__ == sorted(racer.__all__)
    assert set(racer.__all__) == {
        *("Track", "Car", "ActionSpace", "load_track", "read_metadata"),
        *("load_reward", "RewardRefused", "place"),
        *("check", "score", "foresee", "explain", "replay"),
        *("racing_line", "drive"),
        *("train", "evaluate", "Run"),
        *("read_log", "laps", "compare", "plot", "doctor"),
        *("DeepRacerEnv", "DeepRacerVectorEnv", "RacerError"),
    }


@pytest.mark.parametrize("name", racer.__all__)
def test_a_name_of_the_face_has_an_example_that_runs(name: str) -> None:
    # tests/test_docstring_examples.py runs it
    if name in NEEDS:
        pytest.importorskip(NEEDS[name])
    thing = getattr(racer, name)
    examples = doctest.DocTestParser().get_examples(inspect.getdoc(thing) or "")
    assert examples
    assert not all(doctest.SKIP in example.options for example in examples)


def test_importing_racer_loads_next_to_nothing() -> None:
    loaded = (
        "import sys, racer; print(*[name for name in sys.modules if name.startswith('racer.')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", loaded], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_folder_gives_what_it_lists(folder: str) -> None:
    if folder.startswith("racer.training"):
        pytest.importorskip("torch")
    if folder == "racer.report":
        pytest.importorskip("bokeh")
    module = importlib.import_module(folder)
    assert [name for name in module.__all__ if not hasattr(module, name)] == []
    files = {path.stem for path in (SRC / Path(*folder.split(".")[1:])).glob("*.py")}
    assert files & set(module.__all__) == set(), "a module hides the thing of that name"


def test_the_environment_is_registered_by_whoever_asks_for_it() -> None:
    made = "import gymnasium, racer.env; print(gymnasium.make('racer/DeepRacer-v0').unwrapped)"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", made], capture_output=True, text=True, check=True
    )
    assert "DeepRacerEnv" in done.stdout


def package_of(module: str) -> str:
    """The folder that a module is in, itself for a folder."""
    if (SRC / Path(*module.split(".")[1:]) / "__init__.py").exists():
        return module
    return module.rpartition(".")[0]


def modules() -> dict[str, Path]:
    """Every file of the package by its dotted name."""
    named = {}
    for path in SRC.rglob("*.py"):
        parts = path.relative_to(SRC.parent).with_suffix("").parts
        named[".".join(part for part in parts if part != "__init__")] = path
    return named


def test_outsiders_import_from_folders_only() -> None:
    files = modules()
    around = set()
    for user, path in files.items():
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.ImportFrom) or node.module is None:
                continue
            for target in (node.module, *(f"{node.module}.{alias.name}" for alias in node.names)):
                if target not in files or target == package_of(target):
                    continue
                folder = package_of(target)
                if folder != "racer" and not f"{user}.".startswith(f"{folder}."):
                    around.add(f"{user} imports {target}")
    assert around == set()


def test_the_face_is_quick(tmp_path: Path) -> None:
    # not a matter of the clock: what takes time is what is loaded, and this is all that is
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", "import racer"],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env=os.environ,
    )
    loaded = {line.rpartition("|")[2].strip().split(".")[0] for line in done.stderr.splitlines()}
    outside = loaded - set(sys.stdlib_module_names)
    assert not outside & {"numpy", "pandas", "numba", "scipy", "torch", "gymnasium", "matplotlib"}
