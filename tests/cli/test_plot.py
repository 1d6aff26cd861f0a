"""`racer plot`."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import pytest
import typer
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image
from typer.testing import CliRunner, Result

from racer import logs, plotting
from racer.analysis import laps
from racer.cli.inputs import track_of_log, tracks_to_try
from racer.cli.plot import plot_command
from racer.errors import UsageError
from racer.logs import write_csv
from racer.plotting import PLOT_KINDS, PlotRequest

app = typer.Typer()
app.command()(plot_command)

NEED_A_LAP = {"laptimes", "sectors", "reward-time"}  # kinds that need a complete one


@pytest.fixture
def log(tmp_path: Path, drive) -> Path:
    write_csv(drive(episodes=12), tmp_path / "a.csv")
    return tmp_path / "a.csv"


@pytest.fixture
def drawn(monkeypatch) -> list[Figure]:
    """The figures that are saved, in order; written to memory only."""
    figures: list[Figure] = []

    def save(figure: Figure, path: Path) -> None:
        figure.savefig(io.BytesIO(), dpi=20)
        figures.append(figure)

    monkeypatch.setattr(plotting, "save_figure", save)
    return figures


def run(*words: object) -> Result:
    return CliRunner().invoke(app, list(map(str, words)), catch_exceptions=False)


def titles(figure: Figure) -> list[str]:
    return [ax.get_title(loc="left") for ax in figure.axes if isinstance(ax, Axes)]


@pytest.mark.parametrize("words", [[], ["--list"], ["track", "--list"]])
def test_without_a_kind_every_kind_has_its_line(words: list[str]) -> None:
    shown = run(*words).stdout
    for name, kind in PLOT_KINDS.items():
        assert re.search(rf"^ *{name}  +{re.escape(kind.summary[:20])}", shown, re.MULTILINE)
    assert list(json.loads(run(*words, "--json").stdout)) == list(PLOT_KINDS)


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_a_picture_is_written_in_the_format_of_its_ending(
    ending: str, log: Path, tracks: Path, tmp_path: Path
) -> None:
    result = run("track", log, "--tracks", tracks, "-o", tmp_path / f"p.{ending}")
    assert "track: ring, forward" in result.output
    assert result.output.splitlines()[-1] == str(tmp_path / f"p.{ending}")
    start = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}[ending]
    assert (tmp_path / f"p.{ending}").read_bytes().startswith(start)


def test_without_a_file_name_the_picture_is_named_for_its_kind(log: Path, tmp_path: Path) -> None:
    assert run("exits", log).output.splitlines()[-1] == "exits.png"
    assert (tmp_path / "exits.png").is_file()


@pytest.mark.slow
@pytest.mark.parametrize("kind", sorted(set(PLOT_KINDS) - {"entropy"}))
@pytest.mark.parametrize("where", ["known", "unknown"])
def test_every_kind_draws_on_a_known_and_an_unknown_track(
    kind: str, where: str, log: Path, tracks: Path, drawn
) -> None:
    run(kind, log, *(["--tracks", tracks] if where == "known" else []))
    assert len(drawn) == 1
    assert drawn[0].axes


@pytest.mark.slow
@pytest.mark.parametrize("kind", sorted(set(PLOT_KINDS) - {"entropy"}))
@pytest.mark.parametrize("discrete", [True, False])
def test_one_lap_is_enough_unless_two_are_compared(
    kind: str, discrete: bool, drive, tracks: Path, tmp_path: Path, drawn
) -> None:
    write_csv(drive(episodes=1, discrete=discrete), tmp_path / "one.csv")
    if kind == "versus":
        with pytest.raises(UsageError, match="needs two, and here is one"):
            run(kind, tmp_path / "one.csv", "--tracks", tracks)
    else:
        run(kind, tmp_path / "one.csv", "--tracks", tracks)
        assert len(drawn) == 1


@pytest.mark.parametrize("kind", sorted(set(PLOT_KINDS) - {"entropy"}))
def test_without_a_complete_lap_a_kind_draws_or_says_that_it_needs_one(
    kind: str, drive, tracks: Path, tmp_path: Path, drawn
) -> None:
    write_csv(drive(episodes=6, ends=(40.0,)), tmp_path / "broken.csv")
    if kind in NEED_A_LAP:
        with pytest.raises(
            UsageError, match="need a complete lap, and the best of these 6 laps ends at 40 %"
        ):
            run(kind, tmp_path / "broken.csv", "--tracks", tracks)
    else:
        run(kind, tmp_path / "broken.csv", "--tracks", tracks)
        assert len(drawn) == 1


@pytest.mark.parametrize(
    ("rows", "enough"),
    [
        (1, {"progress", "exits"}),
        (2, {"progress", "track", "actions", "exits", "visits", "rewards", "ghosts"}),
    ],
)
@pytest.mark.parametrize("kind", list(PLOT_KINDS))
def test_a_log_of_a_step_or_two_is_a_picture_or_a_sentence(
    kind: str, rows: int, enough: set[str], drive, tmp_path: Path, drawn
) -> None:
    write_csv(drive(episodes=1).head(rows), tmp_path / "short.csv")
    if kind in enough:
        run(kind, tmp_path / "short.csv")
        assert len(drawn) == 1
    else:
        with pytest.raises(UsageError) as found:
            run(kind, tmp_path / "short.csv")
        assert "\n" not in str(found.value)


def test_entropy_of_a_log_without_it_is_a_sentence(log: Path) -> None:
    with pytest.raises(UsageError, match=r"says nothing of entropy .*sagemaker\.log"):
        run("entropy", log)


def test_laps_are_chosen_by_number(log: Path, tracks: Path, drawn) -> None:
    run("telemetry", log, "--tracks", tracks, "--laps", "3,1")
    words = [text.get_text() for text in drawn[0].axes[0].get_legend().get_texts()]
    assert words == ["lap 3 (4.33 s)", "lap 1 (4.33 s)"]


def test_a_lap_is_set_against_a_lap_of_another_log(
    log: Path, tracks: Path, drive, tmp_path: Path, drawn
) -> None:
    write_csv(drive(episodes=3, step=0.4), tmp_path / "faster.csv")
    run("versus", log, tmp_path / "faster.csv", "--tracks", tracks, "--laps", "1,3")
    names = [text.get_text() for text in drawn[0].axes[0].get_legend().get_texts()]
    assert names == ["a lap 1 (4.33 s)", "faster lap 3 (3.33 s)"]
    assert titles(drawn[0])[2] == "faster lap 3 is 1.00 s ahead of a lap 1 at the end"


def test_laps_of_different_tracks_are_not_set_against_each_other(
    log: Path, tracks: Path, ring, drive, tmp_path: Path
) -> None:
    write_csv(drive(track=ring.reversed(), episodes=3), tmp_path / "b.csv")
    with pytest.raises(
        UsageError, match=r"not of one track: track: ring, forward.*; and track: ring, reversed"
    ):
        run("versus", log, tmp_path / "b.csv", "--tracks", tracks)


@pytest.mark.slow
def test_ghosts_move_in_a_gif_and_stand_still_in_a_png(
    log: Path, tracks: Path, tmp_path: Path
) -> None:
    run("ghosts", log, "--tracks", tracks, "--laps", "1,3", "-o", tmp_path / "g.gif")
    with Image.open(tmp_path / "g.gif") as film:
        assert film.n_frames > 50
    run("ghosts", log, "--tracks", tracks, "-o", tmp_path / "g.png")
    assert (tmp_path / "g.png").read_bytes().startswith(b"\x89PNG")


def test_color_and_gamma_reach_the_picture(log: Path, tracks: Path, drawn) -> None:
    run("track", log, "--tracks", tracks, "--color", "steering")
    run("reward-time", log, "--tracks", tracks, "--gamma", "0.9")
    assert drawn[0].axes[-1].get_ylabel() == "right  ·  commanded steering (°)  ·  left"
    assert drawn[1].axes[1].get_ylabel() == "reward of a lap, γ = 0.9"


def test_only_laps_of_the_phase_are_drawn(tmp_path: Path, drive, tracks: Path, drawn) -> None:
    write_csv(drive(episodes=4), tmp_path / "run" / "training" / "a.csv")
    write_csv(drive(episodes=2, step=0.35), tmp_path / "run" / "evaluation" / "a.csv")
    for words, count in (([], 4), (["--phase", "evaluation"], 2), (["--laps", "all"], 6)):
        run("visits", tmp_path / "run", "--tracks", tracks, *words)
        assert titles(drawn[-1])[0].startswith(f"Where the cars were: {count} laps")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["telemety", "LOG"], "did you mean 'telemetry'"),
        (["track"], "racer plot track needs a log"),
        (["track", "LOG", "LOG"], "takes one log, not 2"),
        (["versus", "LOG", "LOG", "LOG"], "takes two logs, not 3"),
        (["track", "nowhere"], "no such file"),
        (["track", "LOG", "-o", "a.gif"], "track does not move"),
        (["track", "LOG", "-o", "a.pnk"], "did you mean 'png'"),
        (["track", "LOG", "--color", "sped"], "did you mean 'speed'"),
        (
            ["track", "LOG", "--laps", "13"],
            "there is no lap 13 among these: their numbers are 1 to 12",
        ),
        (["track", "LOG", "--laps", "0"], "there is no lap 0"),
        (["track", "LOG", "--laps", "fast"], "names no laps"),
        (["telemetry", "LOG", "--laps", "all"], "12 laps over each other"),
        (["ghosts", "LOG", "--laps", "best:6", "-o", "a.avi"], "no picture format"),
        (["ghosts", "LOG", "--laps", "all"], "6 laps can race each other, not 12"),
        (["versus", "LOG", "--laps", "1,2,3"], "needs two, and here are 3"),
        (["versus", "LOG", "LOG", "--laps", "1,2,3"], "give one lap each"),
        (["versus", "LOG", "--laps", "1,2"], "not all are complete"),
        (["track", "LOG", "--phase", "trainin"], "did you mean 'training'"),
        (["track", "LOG", "--phase", "evaluation"], "known to be of evaluation"),
        (["reward-time", "LOG", "--gamma", "2"], "between 0 and 1"),
        (["track", "LOG", "--track", "nowhere"], "nowhere"),
    ],
)
def test_wrong_use_is_a_sentence(words: list[str], sentence: str, log: Path, tracks: Path) -> None:
    given = [str(log) if word == "LOG" else word for word in words]
    with pytest.raises(UsageError, match=sentence) as found:
        run(*given, "--tracks", tracks)
    assert "\n" not in str(found.value)


@pytest.mark.slow
def test_every_kind_draws_every_real_log_or_says_why_not(shared_data: Path) -> None:
    roads = tracks_to_try("", shared_data / "tracks")
    refused: dict[str, set[str]] = {}
    for folder in sorted(path for path in (shared_data / "logs").iterdir() if path.is_dir()):
        log = logs.read_log(folder)
        road, table = track_of_log(log.trace, "", roads), laps(log.trace)
        for kind in PLOT_KINDS:
            try:
                assert PLOT_KINDS[kind].draw(PlotRequest(log, table, road.track)).axes
            except UsageError:
                refused.setdefault(kind, set()).add(folder.name)
    none_complete = {"lg_champ22", "lg_oa", "lg_redstarpro"}
    assert refused.pop("entropy")
    assert refused == dict.fromkeys(NEED_A_LAP, none_complete)
