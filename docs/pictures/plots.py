"""Draw the pictures of docs/plots.md and docs/questions.md with the code of these pages: python
docs/pictures/plots.py

Two trainings are made for them under runs/pictures/ (a minute or two), unless they are there:
`first` with a reward that pays every step, `second` with one that pays the distance gained, both on
a shipped track with a shipped action space.
"""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from racer.plotting import style

DOCS = Path(__file__).resolve().parents[1]
PAGES = (DOCS / "plots.md", DOCS / "questions.md")
READER_FOLDER = DOCS.parent / "runs" / "pictures"  # where the code of the pages runs
REWARDS = {"first": "center_line", "second": "progress_gained"}
STEPS, EVERY = 131_072, 8_192
BLOCK = re.compile(
    r"^```python\n(?P<code>.*?)^```\n(?:\n!\[[^\]]*\]\((?P<picture>[^)]+)\))?",
    re.MULTILINE | re.DOTALL,
)


def main() -> None:
    """Train, unless that is done, and draw."""
    for name, reward in REWARDS.items():
        if not (READER_FOLDER / "runs" / name / "race.done").exists():
            train(READER_FOLDER / "runs" / name, reward)
    os.chdir(READER_FOLDER)
    for page in PAGES:
        for picture, figure in figures(page):
            path = style.save_figure(figure, DOCS / picture, dpi=80)
            print(f"{path.stat().st_size / 1000:5.0f} kB  {path.relative_to(DOCS)}")


def train(folder: Path, reward: str) -> None:
    """Train a car with a shipped reward, and let it race five laps."""
    from racer.cli.evaluate import evaluate_command
    from racer.training import Run, TrainConfig, open_session

    action_space = DOCS.parent / "experiments" / "action_spaces" / "fine_27.json"
    config = TrainConfig(
        reward=reward, action_space=str(action_space), steps=STEPS, evaluate_every=EVERY, seed=1
    )
    open_session(Run.create(config, folder)).train(lambda progress: None)
    evaluate_command(folder, save=True)
    (folder / "race.done").touch()


def figures(page: Path) -> Iterator[tuple[str, Figure]]:
    """The pictures of a page with what its code draws for them, run in the current folder from top
    to bottom.

    A picture is what the last line of the block above it gives: a Figure, or an Axes of it.
    """
    names: dict[str, Any] = {}
    for block in BLOCK.finditer(page.read_text("utf-8")):
        value = run(block["code"], names)
        if block["picture"]:
            yield block["picture"], figure_of(value, block["picture"])
        plt.close("all")


def run(code: str, names: dict[str, Any]) -> Any:
    """The value of the last line of a block, as in a notebook, after running the block; `names` are
    the variables before and after it.
    """
    tree = ast.parse(code)
    last = tree.body[-1]
    if not isinstance(last, ast.Expr):
        exec(compile(tree, "page", "exec"), names)
        return None
    tree.body.pop()
    exec(compile(tree, "page", "exec"), names)
    return eval(compile(ast.Expression(last.value), "page", "eval"), names)


def figure_of(value: Any, picture: str) -> Figure:
    """The figure that a block gives."""
    figure = value.figure if isinstance(value, Axes) else value
    assert isinstance(figure, Figure), (
        f"the code above {picture} gives {type(value).__name__}, no figure"
    )
    return figure


if __name__ == "__main__":
    main()
