"""Examples in docstrings run, each module's in a folder of its own."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest

SRC = Path(__file__).resolve().parents[1] / "src"
NEEDS = {
    "training": "torch",
    "report": "bokeh",
    "tuning": "optuna",
}  # packages of extras, by the folder that needs them


def modules_with_examples() -> list[str]:
    """Dotted names of the modules whose docstrings hold examples."""
    files = sorted((SRC / "racer").rglob("*.py"))
    with_examples = [file for file in files if ">>> " in file.read_text("utf-8")]
    return [".".join(file.relative_to(SRC).with_suffix("").parts) for file in with_examples]


@pytest.mark.slow
@pytest.mark.parametrize("name", modules_with_examples())
def test_examples_print_what_they_say(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = name.split(".")[1]
    if folder in NEEDS:
        pytest.importorskip(NEEDS[folder])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RACER_HOME", str(tmp_path / "home"))
    module = importlib.import_module(name.removesuffix(".__init__"))
    options = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    failed, _ = doctest.testmod(module, optionflags=options)
    assert failed == 0
