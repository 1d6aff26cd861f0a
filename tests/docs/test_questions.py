"""docs/questions.md and docs/plots.md tell the truth: their code runs and gives the pictures, on a
log made here.
"""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

import racer.plotting
from racer.diagnostics.scoring import price_drives
from racer.drivers.scripted import drive_all
from racer.logs import write_csv
from racer.plotting import PLOT_KINDS
from racer.resources import rewards_folder
from racer.reward import load_reward as load_reward
from racer.sim.state import trace_columns
from racer.track import load_track
from racer.vehicle.metadata import Metadata, read_metadata, write_metadata

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
QUESTIONS, PLOTS = DOCS / "questions.md", DOCS / "plots.md"
SHOWN = re.compile(r"!\[[^\]]*\]\(([^)]+)\)")
ACTIONS = ROOT / "experiments" / "action_spaces" / "medium_15.json"
UPDATE = (
    "Policy training> Surrogate loss=-0.01, KL divergence=0.012, Entropy={entropy}, training epoch=9, "
    "learning_rate=0.0003\n"
)
DRIVERS = {
    "first": (
        "leaving",
        "slow",
        "medium",
        "fast",
        "racing_line",
        "weaving",
        "inner_edge",
        "outer_edge",
        "leaving",
    ),
    "second": ("leaving", "fast", "racing_line", "fastest"),
}


@pytest.fixture(scope="module")
def script() -> ModuleType:
    """docs/pictures/plots.py, which runs the code of the pages."""
    spec = importlib.util.spec_from_file_location(
        "pictures_of_plots", DOCS / "pictures" / "plots.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with runs/first and runs/second, laid out as runs of racer are, but driven by
    scripted drivers.
    """
    place = tmp_path_factory.mktemp("reader")
    for name in DRIVERS:
        _make_run(place / "runs" / name, DRIVERS[name])
    return place


def _make_run(run: Path, drivers: tuple[str, ...]) -> None:
    track, space = load_track("reinvent_2018"), read_metadata(ACTIONS).action_space
    found = drive_all(track, list(drivers), action_space=space)
    pay = price_drives(load_reward(rewards_folder() / "center_line.py"), found)
    for number, (drive, paid) in enumerate(zip(found, pay, strict=True)):
        commands = np.column_stack([drive.rows["steer_command_deg"], drive.rows["speed_command"]])
        choices = np.column_stack([space.steering_deg, space.speed])
        action = np.abs(commands[:, None, :] - choices).sum(axis=2).argmin(axis=1)
        reward = np.append(np.zeros(len(drive.rows) - len(paid)), paid)
        steps = pd.DataFrame(trace_columns(drive.rows, action, reward, drive.tracks)).assign(
            episode=number
        )
        write_csv(steps, run / "training-simtrace" / f"{number}-iteration.csv")
    (run / "model").mkdir()
    write_metadata(Metadata(space), run / "model" / "model_metadata.json")
    (run / "logs").mkdir()
    (run / "logs" / "trainer.log").write_text(
        "".join(UPDATE.format(entropy=2.7 - 0.1 * k) for k in range(9))
    )


@pytest.mark.slow
@pytest.mark.parametrize("page", [QUESTIONS, PLOTS], ids=lambda page: page.stem)
def test_the_code_of_a_page_gives_its_pictures(
    page: Path, folder: Path, script: ModuleType, monkeypatch
) -> None:
    monkeypatch.chdir(folder)
    with mpl.rc_context({"backend": "agg"}):
        drawn = dict(script.figures(page))
    assert len(drawn) == len(SHOWN.findall(page.read_text("utf-8")))
    for picture, figure in drawn.items():
        assert isinstance(figure, Figure)
        assert figure.axes, picture


def test_there_are_ten_questions_of_three_lines_and_a_picture_each(script: ModuleType) -> None:
    text = QUESTIONS.read_text("utf-8")
    sections = re.split(r"^## ", text, flags=re.MULTILINE)[1:]
    assert [section.split(".")[0] for section in sections] == [str(k) for k in range(1, 11)]
    for section in sections:
        [block] = script.BLOCK.finditer(section)
        assert len(block["code"].splitlines()) == 3, section
        assert block["picture"], section
        assert section.splitlines()[0].endswith("?")


def test_every_kind_has_its_section_with_a_picture() -> None:
    sections = re.split(r"^## ", PLOTS.read_text("utf-8"), flags=re.MULTILINE)[1:]
    about = {section.splitlines()[0]: section for section in sections}
    assert [name for name in about if name in PLOT_KINDS] == list(PLOT_KINDS)
    for kind in PLOT_KINDS:
        assert f'plot(log, "{kind}"' in about[kind]
        assert f"(pictures/plots/{kind}.png)" in about[kind]


def test_every_picture_is_there_and_all_are_small() -> None:
    shown = [name for page in (QUESTIONS, PLOTS) for name in SHOWN.findall(page.read_text("utf-8"))]
    files = sorted((DOCS / "pictures" / "plots").iterdir())
    assert sorted(f"pictures/plots/{file.name}" for file in files) == sorted(shown)
    assert sum(file.stat().st_size for file in files) < 2_000_000


def test_every_function_that_the_page_names_can_be_imported() -> None:
    names = re.findall(r"`(draw_\w+)`", PLOTS.read_text("utf-8"))
    assert len(names) >= 25
    assert set(names) <= set(racer.plotting.__all__)
