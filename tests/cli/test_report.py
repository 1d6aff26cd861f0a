"""`racer report`."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from racer import errors as extras
from racer.cli.report import report_command
from racer.errors import UsageError
from racer.logs import write_csv

app = typer.Typer()
app.command()(report_command)


@pytest.fixture
def log(tmp_path: Path, drive) -> Path:
    path = tmp_path / "evaluation" / "a.csv"
    write_csv(drive(episodes=4), path)
    return path


def run(*words: object) -> Result:
    return CliRunner().invoke(app, list(map(str, words)), catch_exceptions=False)


def test_one_page_is_written_and_its_path_printed(log: Path, tracks: Path, tmp_path: Path) -> None:
    result = run(log, "--tracks", tracks, "-o", tmp_path / "a.html")
    assert result.exit_code == 0
    assert "track: ring, forward" in result.output
    assert f"{tmp_path / 'a.html'}  (1." in result.output
    assert "Laps on ring" in (tmp_path / "a.html").read_text("utf-8")
    assert {path.name for path in tmp_path.iterdir()} == {"a.html", "evaluation", "tracks"}


def test_parts_of_one_job_make_one_page(log: Path, drive, tracks: Path, tmp_path: Path) -> None:
    write_csv(drive(episodes=35), tmp_path / "training" / "0-iteration.csv")
    run(
        log,
        tmp_path / "training",
        "--join",
        "--tracks",
        tracks,
        "-o",
        tmp_path / "a.html",
        "--title",
        "Both & all",
    )
    page = (tmp_path / "a.html").read_text("utf-8")
    assert "<h1>Both &amp; all</h1>" in page
    assert "A training and a race on ring (counterclockwise): 39 laps in 2 files." in page


def test_two_logs_are_two_jobs_side_by_side(log: Path, drive, tracks: Path, tmp_path: Path) -> None:
    write_csv(drive(episodes=6, step=0.4), tmp_path / "faster" / "b.csv")
    result = run(log, tmp_path / "faster", "--tracks", tracks, "-o", tmp_path / "a.html")
    assert result.exit_code == 0
    page = (tmp_path / "a.html").read_text("utf-8")
    assert "<h1>a.csv against faster on ring (counterclockwise)</h1>" in page
    assert "The fastest lap is of B, 3.33 s: 1.00 s ahead of A." in page
    assert "A: 2 of 4 laps completed" in page
    assert "B: 3 of 6 laps completed" in page


def test_jobs_of_other_tracks_are_refused(log: Path, drive, tmp_path: Path) -> None:
    elsewhere = drive(episodes=2).assign(track_len=25.0)
    write_csv(elsewhere, tmp_path / "b.csv")
    with pytest.raises(
        UsageError, match=r"b\.csv is of a track of 25\.00 m, .*a\.csv of one of 18"
    ):
        run(log, tmp_path / "b.csv", "-o", tmp_path / "a.html")
    assert not (tmp_path / "a.html").exists()


def test_more_jobs_than_can_be_told_apart_are_refused(log: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="up to 6 jobs side by side, not 7"):
        run(*[log] * 7, "-o", tmp_path / "a.html")


@pytest.mark.parametrize("starts", [True, False])
def test_the_page_is_opened_in_the_browser(
    log: Path, tmp_path: Path, monkeypatch, starts: bool
) -> None:
    opened: list[str] = []

    def open_page(address: str) -> bool:
        opened.append(address)
        return starts

    monkeypatch.setattr("webbrowser.open", open_page)
    result = run(log, "--open", "-o", tmp_path / "a.html")
    assert opened == [(tmp_path / "a.html").as_uri()]
    assert result.exit_code == 0
    assert ("no browser could be started" in result.output) != starts


def test_each_job_of_a_folder_gets_a_page(drive, tracks: Path, tmp_path: Path) -> None:
    for name, episodes, later_s in (("one", 3, 0.0), ("two", 5, 2.5)):
        trace = drive(episodes=episodes).assign(tstamp=lambda rows, s=later_s: rows["tstamp"] + s)
        write_csv(trace, tmp_path / "jobs" / name / "training-simtrace" / "0-iteration.csv")
    result = run(tmp_path / "jobs", "--tracks", tracks, "-o", tmp_path / "a.html")
    assert "2 jobs are in it, and each gets a page of its own" in result.output
    assert not (tmp_path / "a.html").exists()
    assert "3 laps" in (tmp_path / "a-one.html").read_text("utf-8")
    assert "5 laps" in (tmp_path / "a-two.html").read_text("utf-8")


@pytest.mark.parametrize(
    "columns",
    [15, *(pytest.param(columns, marks=pytest.mark.slow) for columns in (16, 17, 18)), 19],
)
def test_logs_of_every_age_make_a_page(drive, tmp_path: Path, columns: int) -> None:
    write_csv(drive(episodes=3), tmp_path / "a.csv", columns)
    assert run(tmp_path / "a.csv", "-o", tmp_path / "a.html").exit_code == 0
    assert "an unknown track of 18.84" in (tmp_path / "a.html").read_text("utf-8")


def test_a_page_that_cannot_be_written_is_a_sentence(log: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"a report is an \.html file"):
        run(log, "-o", tmp_path / "a.pdf")
    with pytest.raises(UsageError, match="there is no folder"):
        run(log, "-o", tmp_path / "none" / "a.html")
    with pytest.raises(UsageError, match="no such file"):
        run(tmp_path / "none.csv", "-o", tmp_path / "a.html")


def test_without_its_packages_it_says_how_to_get_them(
    log: Path, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr(
        extras, "find_spec", lambda name: None if name == "bokeh" else find_spec(name)
    )
    with pytest.raises(
        UsageError, match=r"a report needs Bokeh and jinja2: pip install '.*\[report\]'"
    ):
        run(log, "-o", tmp_path / "a.html")


@pytest.mark.slow
def test_every_real_log_makes_a_page(shared_data: Path, tmp_path: Path) -> None:
    for folder in sorted(path for path in (shared_data / "logs").iterdir() if path.is_dir()):
        result = run(folder, "--tracks", shared_data / "tracks", "-o", tmp_path / "a.html")
        assert result.exit_code == 0, folder
        assert "track: unknown" not in result.output, folder
        assert (tmp_path / "a.html").stat().st_size < 5e6
