"""The report as text: what is in it, how large it is, and that nothing in it can be run or asked
for.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from racer.analysis import laps
from racer.report import render_report
from racer.report.glossary import WORDS
from racer.report.subject import (
    ReportSubject,
    join_jobs,
    join_logs,
    laps_that_fit,
    pack_column,
)
from racer.report.summary import sector_table, summary_sentences

pytestmark = pytest.mark.slow


class Page(HTMLParser):
    """The tags of a page with their attributes, and the text of its visible elements."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.inside = tag

    def handle_data(self, data: str) -> None:
        if self.inside not in ("script", "style"):
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))


def facts(text: str) -> dict:
    """The data that the page's script reads."""
    script = re.search(r'id="facts">(.*?)</script>', text, re.DOTALL)
    assert script
    return json.loads(script[1])


def test_a_training_has_its_words_figures_and_tables(training, ring) -> None:
    page = Page(render_report(training, ring))
    assert "A training on Ring (counterclockwise): 40 laps in 1 file." in page.text
    assert "50 % were completed" in page.text
    names = {attrs.get("id") for _, attrs in page.tags}
    assert {
        "table-laps",
        "table-iterations",
        "table-endings",
        "table-files",
        "table-sectors",
        "training",
    } <= names
    assert "race" not in names


def test_a_race_has_lap_times_and_no_training(race, ring) -> None:
    page = Page(render_report(race, ring))
    assert "Race: 8 of 10 laps completed" in page.text
    names = {attrs.get("id") for _, attrs in page.tags}
    assert "race" in names
    assert not {"training", "table-iterations"} & names


def test_an_unknown_track_and_no_complete_lap_are_said(make_log, drive) -> None:
    page = Page(render_report(make_log(drive(episodes=4, ends=(40.0, 30.0))), None))
    assert "an unknown track of 18.84 m" in page.text
    assert "None was completed; the farthest covered 40 %" in page.text


def test_one_lap_is_enough(make_log, drive, ring) -> None:
    assert (
        "1 of 1 lap completed"
        in Page(render_report(make_log(drive(episodes=1), "evaluation"), ring)).text
    )


def test_no_tag_points_outside(training, ring) -> None:
    page = Page(render_report(training, ring))
    links = [
        attrs[name]
        for _, attrs in page.tags
        for name in ("src", "href", "srcset", "action")
        if attrs.get(name)
    ]
    assert {link for link in links if not str(link).startswith(("#", "data:"))} == set()
    policy = next(attrs["content"] for tag, attrs in page.tags if attrs.get("http-equiv"))
    assert "default-src 'none'" in str(policy)


def test_foreign_words_are_text_wherever_they_stand(hostile, ring) -> None:
    plain, evil = (
        Page(render_report(replace(hostile, sources=hostile.sources), ring)),
        "window.hacked",
    )
    assert not [tag for tag, attrs in plain.tags if tag == "img" or "onerror" in attrs]
    scripts = [tag for tag, _ in plain.tags if tag == "script"]
    tame = Page(render_report(replace(hostile, job=replace(hostile.job, reward="pass")), ring))
    assert len(scripts) == len([tag for tag, _ in tame.tags if tag == "script"])
    # file, note, platform, car, world, race, checkpoint, hyperparameter, reward
    assert plain.text.count(evil) >= 8


def test_a_title_is_text_too(training, ring) -> None:
    page = Page(render_report(training, ring, title="<b>mine</b> & yours"))
    assert page.text.count("<b>mine</b> & yours") == 2


@pytest.mark.parametrize(
    ("low", "high", "finest"), [(-30.0, 30.0, 5e-4), (0.0, 4.0, 4e-5), (0.0, 119.0, 1e-9)]
)
def test_packed_values_come_back(low: float, high: float, finest: float) -> None:
    values = np.linspace(low, high, 120)
    column = pack_column("v", "V", "", 0, np.append(values, np.nan))
    assert column.levels.dtype == np.uint16
    assert column.levels[-1] == 65535
    assert np.abs(column.levels[:-1] * column.scale + column.offset - values).max() <= finest


def test_absurd_values_count_as_unknown() -> None:
    column = pack_column("v", "V", "", 0, np.array([1.0, 2.5, 1e300, np.inf]))
    assert (column.levels == 65535).tolist() == [False, False, True, True]


def test_every_step_is_in_the_page_of_a_small_log(training, ring) -> None:
    page_facts = facts(render_report(training, ring))
    assert sum(lap["count"] for lap in page_facts["laps"]) == len(training.trace)
    assert [lap["first"] for lap in page_facts["laps"][:2]] == [0, page_facts["laps"][0]["count"]]


def test_of_a_large_log_races_and_fast_laps_are_kept(training) -> None:
    table = laps(training.trace).assign(phase="training")
    table.loc[7, "phase"] = "evaluation"
    kept = laps_that_fit(table, max_steps=400)
    assert kept["steps"].sum() <= 400
    assert 7 in kept.index
    assert kept["complete"].sum() == len(kept) - 1
    assert list(kept.index) == sorted(kept.index)


def test_the_page_says_what_it_leaves_out(training, ring, monkeypatch) -> None:
    monkeypatch.setattr(
        "racer.report.page.laps_that_fit", lambda table: laps_that_fit(table, max_steps=400)
    )
    assert (
        "more are in the log, and counted in everything but"
        in Page(render_report(training, ring)).text
    )


def test_fifty_thousand_steps_stay_under_five_megabytes(make_log, drive, ring) -> None:
    trace = pd.concat([drive(episodes=300, step=0.08, ends=(100.0, 60.0))], ignore_index=True)
    noise = np.random.default_rng(1).normal(size=(len(trace), 4))
    trace[["X", "Y"]] += 0.02 * noise[:, :2]
    trace[["yaw", "reward"]] += noise[:, 2:]
    assert len(trace) > 50_000
    assert len(render_report(make_log(trace), ring).encode()) < 5e6


def test_logs_are_joined_with_their_own_episodes_and_files(training, race, ring) -> None:
    both = join_logs([training, race])
    assert len(both.sources) == 2
    assert both.trace["source"].unique().tolist() == [0, 1]
    assert both.trace["episode_id"].nunique() == 50
    assert len(ReportSubject(both, ring).training_laps) == 40
    assert len(ReportSubject(both, ring).race_laps) == 10


def test_facts_of_jobs_that_contradict_each_other_are_left_out(training, race) -> None:
    first = replace(training, job=replace(training.job, platform="racer", car="v5"))
    second = replace(race, job=replace(race.job, platform="racer", car="v6"))
    assert join_logs([first, second]).job.platform == "racer"
    assert join_logs([first, second]).job.car == ""


def test_laps_on_other_tracks_are_left_out_and_said(training, race, ring) -> None:
    elsewhere = replace(race, trace=race.trace.assign(track_len=25.0))
    subject = ReportSubject(join_logs([training, elsewhere]), ring)
    assert len(subject.track_laps) == 40
    assert "10 laps on other tracks are left out." in summary_sentences(subject)


def test_never_used_actions_are_named(make_log, drive, ring) -> None:
    trace = drive(episodes=4)
    trace["action"] = trace["action"].replace({1: 5, 2: 5})
    text = " ".join(summary_sentences(ReportSubject(make_log(trace), ring)))
    assert "Actions 1 and 2 were never used." in text


@pytest.mark.parametrize("discrete", [True, False])
@pytest.mark.parametrize("value", [np.nan, np.inf, -1e300])
def test_absurd_numbers_leave_a_page_that_can_be_read(
    make_log, drive, value: float, discrete: bool
) -> None:
    trace = drive(episodes=4, discrete=discrete)
    for name in ("reward", "X", "steer", "throttle", "yaw"):
        trace.loc[5:9, name] = value
    page_facts = facts(render_report(make_log(trace), None))
    assert all(
        np.isfinite([column["scale"], column["offset"]]).all() for column in page_facts["columns"]
    )


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize(
    "values",
    [
        {"track_len": np.nan},
        {"track_len": 0.0},
        {"tstamp": 5.0},
        {"X": 1.0, "Y": 1.0},
        {"action": 10**5},
    ],
)
def test_a_log_that_makes_no_sense_still_makes_a_page(
    make_log, drive, ring, values: dict, known: bool
) -> None:
    page_facts = facts(
        page := render_report(make_log(drive(episodes=4).assign(**values)), ring if known else None)
    )
    assert len(page_facts["laps"]) == 4
    assert len(page) < 2e6


@pytest.mark.parametrize("rows", [1, 2])
def test_a_step_or_two_make_a_page(make_log, drive, ring, rows: int) -> None:
    assert "1 lap in 1 file" in Page(render_report(make_log(drive().head(rows)), ring)).text


def test_the_page_explains_its_words(training, ring) -> None:
    page = Page(render_report(training, ring))
    for word, meaning in WORDS.items():
        assert word in page.text
        assert meaning in page.text
    titles = {attrs.get("title") for tag, attrs in page.tags if tag == "th"}
    assert {WORDS["lap time"], WORDS["covered"], WORDS["gap"]} <= titles


def test_the_best_of_a_sector_is_purple_and_the_best_until_then_green(training, ring) -> None:
    table = sector_table(ReportSubject(training, ring))
    first = next(k for k, head in enumerate(table.heads) if head.name[0] in "TS")
    number = [head.name for head in table.heads].index("number")
    rows = sorted(table.rows, key=lambda cells: cells[number].value)
    for column in range(first, len(table.heads)):
        times = np.array([cells[column].value for cells in rows])
        for k, cells in enumerate(rows):
            mark = ""
            if times[k] == times.min():
                mark = "purple"
            elif times[k] == times[: k + 1].min():
                mark = "green"
            assert cells[column].mark == mark


def test_jobs_side_by_side_have_their_letters_and_their_own_sentences(training, race, ring) -> None:
    page = Page(render_report({"mine": training, "<b>theirs</b>": race}, ring))
    assert page.text.count("mine against <b>theirs</b> on Ring") == 2
    assert "A training on Ring (counterclockwise): 40 laps in 1 file." in page.text
    assert "A race on Ring (counterclockwise): 10 laps in 1 file." in page.text
    names = {attrs.get("id") for _, attrs in page.tags}
    assert {"table-iterations-A", "table-endings-A", "table-endings-B", "table-laps"} <= names
    assert "table-iterations-B" not in names


def test_each_job_counts_its_own_laps(training, race, ring) -> None:
    subject = join_jobs({"one": training, "two": race}, ring)
    laps_of_two = subject.track_laps[subject.track_laps["job"] == "B"]
    assert laps_of_two["number"].tolist() == list(range(1, 11))
    shown = facts(render_report({"one": training, "two": race}, ring))
    best = [shown["laps"][k]["short"] for k in shown["first"]]
    assert [name.split()[0] for name in best] == ["A", "B"]
