"""The report in a real browser: every control is moved, and what it does is looked at in the page.

Needs Playwright and a Chromium of the system (Debian: `apt-get install chromium`, as `.ci/run`
does); skips without.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from racer.analysis import laps
from racer.logs import Log
from racer.plotting import style

pytestmark = pytest.mark.slow


@pytest.fixture
def shown(opened) -> Any:
    """The report on a training."""
    return opened("training")


def tooltip(watched: Any) -> str:
    """The numbers beside the pointer, once they are there."""
    rows = watched.page.locator(".bk-tooltip-row-value")
    rows.first.wait_for()
    return "\n".join(rows.all_inner_texts())


@pytest.mark.parametrize("name", ["training", "race", "hostile", "unknown"])
def test_every_kind_opens_without_error_or_request(opened, name: str) -> None:
    watched = opened(name)
    assert watched.page.locator("#road canvas, #map canvas").count() > 0
    figures = watched.page.locator("figure.plot")
    for k in range(figures.count()):
        assert figures.nth(k).bounding_box()["height"] > 100


def test_the_fastest_laps_are_on_show_at_first(shown: Any, training: Log) -> None:
    best = laps(training.trace).query("complete").nsmallest(2, "time", keep="first")
    steps = training.trace.iloc[int(best["first_row"].iloc[0]) : int(best["last_row"].iloc[0]) + 1]
    columns = shown.data("shown")
    assert len(columns["X"]) == best["steps"].sum()
    assert columns["X"][: len(steps)] == pytest.approx(steps["X"].tolist(), abs=1e-3)
    assert columns["reward"][: len(steps)] == pytest.approx(steps["reward"].tolist(), abs=1e-6)
    assert columns["step"][: len(steps)] == steps["steps"].tolist()
    assert shown.page.locator("#readout tbody tr").count() == 2


def test_each_color_paints_the_laps_anew(shown: Any) -> None:
    names = shown.page.locator("#color option").evaluate_all("all => all.map(one => one.value)")
    assert {
        "speed",
        "throttle",
        "steer",
        "reward",
        "progress",
        "time",
        "action",
        "status",
        "wheels",
        "lap",
    } <= set(names)
    painted = {}
    for name in names:
        shown.page.select_option("#color", name)
        painted[name] = tuple(shown.data("shown")["color"])
        assert shown.page.locator("#classes").is_visible() == (name in ("status", "wheels"))
    assert set(painted["lap"]) == set(style.PALETTE[:2])
    assert (
        len(
            {painted[name] for name in ("throttle", "steer", "progress", "status", "lap", "X", "Y")}
        )
        == 7
    )
    shown.page.select_option("#color", "lap")
    before = shown.pixels()
    shown.page.select_option("#color", "progress")
    assert shown.pixels() != before


def test_the_slider_moves_the_cars_along_their_laps(shown: Any, training: Log) -> None:
    best = laps(training.trace).query("complete").nsmallest(2, "time", keep="first").iloc[0]
    steps = training.trace.iloc[int(best["first_row"]) : int(best["last_row"]) + 1]
    clock = (steps["tstamp"] - best["start"]).to_numpy()
    before = shown.pixels()
    shown.page.locator("#moment").fill("2.5")
    cars = shown.data("cars")
    expected = [np.interp(2.5, clock, steps[axis]) for axis in ("X", "Y")]
    assert [cars["X"][0], cars["Y"][0]] == pytest.approx(expected, abs=2e-3)
    assert shown.page.locator("#now").inner_text() == "2.50 s"
    row = shown.page.locator("#readout tbody tr").first.locator("td").all_inner_texts()
    number = int(np.searchsorted(clock, 2.5, side="right")) - 1
    assert row[2] == "2.50"
    assert float(row[7]) == pytest.approx(steps["progress"].iloc[number], abs=0.06)
    assert int(row[8]) == steps["closest_waypoint"].iloc[number]
    assert shown.pixels() != before


def test_the_slider_listens_to_keys(shown: Any) -> None:
    shown.page.locator("#moment").focus()
    shown.page.keyboard.press("ArrowRight")
    first_step = float(shown.page.locator("#now").inner_text().split()[0])
    assert 0.0 < first_step < 0.2
    shown.page.keyboard.press("End")
    last = shown.page.locator("#moment").evaluate("slider => Number(slider.max)")
    assert float(shown.page.locator("#now").inner_text().split()[0]) == pytest.approx(
        last, abs=0.05
    )


def test_cars_can_meet_at_the_same_place(shown: Any) -> None:
    shown.page.select_option("#meet", "distance")
    shown.page.locator("#moment").fill("9")
    rows = shown.page.locator("#readout tbody tr").all()
    covered = [float(row.locator("td").nth(7).inner_text()) for row in rows]
    assert covered[0] == pytest.approx(100.0 * 9.0 / 18.84, abs=2.0)
    assert covered[1] == pytest.approx(covered[0], abs=2.0)
    assert shown.page.locator("#now").inner_text() == "9.00 m"


def test_the_race_runs_pauses_and_runs_faster(shown: Any) -> None:
    def moment() -> float:
        return float(shown.page.locator("#now").inner_text().split()[0])

    shown.page.click("#play")
    assert shown.page.locator("#play").get_attribute("aria-pressed") == "true"
    shown.page.wait_for_function("parseFloat(document.getElementById('now').textContent) > 0.3")
    shown.page.click("#play")
    paused = moment()
    shown.rest()
    assert moment() == paused > 0.3
    shown.page.select_option("#rate", "4")
    shown.page.click("#play")
    shown.page.wait_for_selector("#play[aria-pressed=false]")
    assert moment() == pytest.approx(
        shown.page.locator("#moment").evaluate("slider => Number(slider.max)"), abs=0.01
    )
    begins = "play => { play.click(); return document.getElementById('now').textContent; }"
    assert shown.page.locator("#play").evaluate(begins) == "0.00 s"


def test_laps_are_chosen_in_the_table_up_to_six(shown: Any) -> None:
    shown.page.click("#clear")
    assert shown.data("shown")["X"] == []
    assert "No lap is chosen" in shown.page.locator("#message").inner_text()
    picks = shown.page.locator(".pick")
    for k in range(6):
        picks.nth(k).check()
        assert shown.page.locator("#readout tbody tr").count() == k + 1
    assert len(set(shown.data("cars")["color"])) == 6
    picks.nth(6).click()
    assert not picks.nth(6).is_checked()
    assert "No more than 6 laps" in shown.page.locator("#message").inner_text()
    picks.nth(0).uncheck()
    assert shown.page.locator("#readout tbody tr").count() == 5
    shown.page.click("#fastest")
    assert shown.page.locator(".pick:checked").count() == 3
    assert shown.page.locator("tr.on").count() == 3


def test_laps_from_different_starts_have_no_gap_and_others_do(shown: Any, opened) -> None:
    shown.page.click("#clear")
    # the first starts where the eleventh does, two seats of five further than the second
    for k in (0, 1, 10):
        shown.page.locator(".pick").nth(k).check()
    shown.page.locator("#moment").fill("1")
    gaps = [
        row.locator("td").nth(9).inner_text()
        for row in shown.page.locator("#readout tbody tr").all()
    ]
    assert gaps[0] == ""
    assert gaps[1] == "–"
    assert gaps[2] in ("+0.00", "−0.00")
    assert "no gap to the first" in shown.page.locator("#message").inner_text()
    assert len(shown.data("line 2")["delta"]) > len(shown.data("line 1")["delta"]) > 0


def test_the_map_zooms_moves_and_comes_back(shown: Any) -> None:
    whole, height = shown.view(), shown.height()
    shown.page.click("#closer")
    assert shown.height() == pytest.approx(height / 1.5, rel=1e-6)
    shown.rest()
    assert shown.height() == pytest.approx(height / 1.5, rel=1e-6)
    shown.page.click("#farther")
    shown.rest()
    assert shown.view() == pytest.approx(whole, abs=1e-6)
    shown.page.click("#closer")
    shown.page.click("#whole")
    shown.rest()
    assert shown.view() == pytest.approx(whole, abs=1e-6)


def test_what_is_seen_of_the_map_outlives_another_size_of_the_window(shown: Any) -> None:
    whole = shown.view()
    shown.page.set_viewport_size({"width": 900, "height": 900})
    shown.page.wait_for_function(f"from => ({shown.VIEW})()[0] !== from", arg=whole[0])
    shown.rest()
    assert shown.middle() == pytest.approx([0.0, 0.0], abs=1e-6)
    shown.page.click("#closer")
    shown.page.locator("#map").press("ArrowRight")
    shown.rest()
    view, middle, scale = shown.view(), shown.middle(), shown.scale()
    assert abs(middle[0]) > 0.1
    shown.page.set_viewport_size({"width": 1280, "height": 900})
    shown.page.wait_for_function(f"from => ({shown.VIEW})()[0] !== from", arg=view[0])
    shown.rest()
    assert shown.middle() == pytest.approx(middle, abs=1e-6)
    assert shown.scale() == pytest.approx(scale, rel=1e-3)
    shown.page.click("#whole")
    shown.rest()
    assert shown.view() == pytest.approx(whole, abs=1e-6)


def test_the_map_listens_to_keys(shown: Any) -> None:
    whole = shown.view()
    shown.page.locator("#map").focus()
    for key, moved in {
        "ArrowRight": (0.1, 0.0),
        "ArrowUp": (0.0, 0.1),
        "ArrowLeft": (-0.1, 0.0),
    }.items():
        view, middle = shown.view(), shown.middle()
        shown.page.keyboard.press(key)
        size = np.ptp(view.reshape(2, 2), axis=1)
        assert shown.middle() - middle == pytest.approx(moved * size, abs=1e-6)
        shown.rest()
    shown.page.keyboard.press("ArrowDown")
    assert shown.middle() == pytest.approx([0.0, 0.0], abs=1e-6)
    shown.rest()
    assert shown.view() == pytest.approx(whole, abs=1e-6)
    height = shown.height()
    shown.page.keyboard.press("+")
    assert shown.height() == pytest.approx(height / 1.25, rel=1e-6)
    shown.page.keyboard.press("-")
    assert shown.height() == pytest.approx(height, rel=1e-6)
    shown.page.keyboard.press("+")
    shown.page.keyboard.press("0")
    shown.rest()
    assert shown.view() == pytest.approx(whole, abs=1e-6)


def test_the_map_is_dragged_and_scrolled_with_the_mouse(shown: Any) -> None:
    shown.page.locator("#map").scroll_into_view_if_needed()
    height = shown.height()
    x, y = shown.page.evaluate(shown.SPOT, [0.0, 0.0])
    shown.page.mouse.move(x, y)
    shown.page.mouse.down()
    shown.page.mouse.move(x + 60, y, steps=4)
    shown.page.mouse.up()
    shown.page.wait_for_function(
        f"() => {{ const [a, b] = ({shown.VIEW})(); return a + b < -0.2; }}"
    )
    assert shown.height() == pytest.approx(height, rel=1e-6)
    shown.page.mouse.wheel(0, -200)
    higher = f"most => {{ const [,, low, high] = ({shown.VIEW})(); return high - low < most; }}"
    shown.page.wait_for_function(higher, arg=0.95 * height)


def test_the_pointer_over_a_step_shows_its_numbers(shown: Any) -> None:
    shown.page.locator("#map").scroll_into_view_if_needed()
    steps = shown.data("shown")
    x, y = shown.page.evaluate(shown.SPOT, [steps["X"][20], steps["Y"][20]])
    shown.page.mouse.move(x - 30, y - 30)
    shown.page.mouse.move(x, y, steps=3)
    text = tooltip(shown)
    assert f"{steps['progress'][20]:.1f} %" in text
    assert f"{steps['throttle'][20]:.2f} m/s" in text
    assert "in_progress" in text


def test_the_map_follows_the_first_car(shown: Any) -> None:
    height = shown.height()
    shown.page.check("#follow")
    for moment in ("1", "4"):
        shown.page.locator("#moment").fill(moment)
        cars = shown.data("cars")
        assert shown.middle() == pytest.approx([cars["X"][0], cars["Y"][0]], abs=1e-6)
        shown.rest()  # a part of the map has other labels than all of it, and so another frame
        assert shown.middle() == pytest.approx([cars["X"][0], cars["Y"][0]], abs=1e-6)
        assert shown.height() == pytest.approx(height / 3.0, rel=1e-6)
    shown.page.uncheck("#follow")
    shown.rest()
    assert shown.height() == pytest.approx(height, rel=1e-6)


def test_exits_appear_where_laps_ended_early(shown: Any) -> None:
    exits = "() => Bokeh.documents.map(d => d.get_model_by_name('exits')).find(Boolean)"
    assert shown.page.evaluate(f"({exits})().visible") is False
    before = shown.pixels()
    shown.page.check("#exits")
    assert shown.page.evaluate(f"({exits})().visible") is True
    assert shown.page.evaluate(f"({exits})().data_source.data.X.length") == 20
    assert shown.pixels() != before
    shown.page.uncheck("#exits")
    assert shown.page.evaluate(f"({exits})().visible") is False


def test_incomplete_laps_can_be_hidden(shown: Any) -> None:
    assert shown.page.locator("#table-laps tbody tr:visible").count() == 40
    shown.page.check("#complete-only")
    assert shown.page.locator("#table-laps tbody tr:visible").count() == 20
    shown.page.uncheck("#complete-only")
    assert shown.page.locator("#table-laps tbody tr:visible").count() == 40


def test_every_head_of_every_table_sorts_both_ways(shown: Any) -> None:
    for table in (
        "table-laps",
        "table-sectors",
        "table-iterations",
        "table-endings",
        "table-files",
    ):
        heads = shown.page.locator(f"#{table} thead th")
        for number in range(heads.count()):
            if not heads.nth(number).locator("button").count():
                continue
            heads.nth(number).locator("button").click()
            assert heads.nth(number).get_attribute("aria-sort") == "ascending"
            up = shown.column(table, number)
            heads.nth(number).locator("button").press("Enter")
            assert heads.nth(number).get_attribute("aria-sort") == "descending"
            down = shown.column(table, number)
            if "number" in str(heads.nth(number).get_attribute("class")):
                known = [float(value) for value in up if value]
                assert known == sorted(known)
                assert [float(value) for value in down if value] == known[::-1]
            else:
                assert down == sorted(up, reverse=True)
            assert sorted(up) == sorted(down)


def test_a_sorted_table_still_chooses_the_right_laps(shown: Any) -> None:
    shown.page.click("#clear")
    shown.page.locator("#table-laps thead button", has_text="covered").click()
    first = shown.page.locator("#table-laps tbody tr").first
    first.locator(".pick").check()
    number = first.locator("td").nth(1).inner_text()
    assert f"lap {number}," in shown.page.locator("#readout tbody").inner_text()


def test_controls_are_reached_and_moved_with_the_keyboard_alone(shown: Any) -> None:
    seen = []
    for _ in range(40):
        shown.page.keyboard.press("Tab")
        seen.append(shown.page.evaluate("document.activeElement.id"))
    wanted = [
        "color",
        "meet",
        "fastest",
        "clear",
        "closer",
        "farther",
        "whole",
        "follow",
        "exits",
        "map",
        "play",
        "moment",
    ]
    assert [name for name in seen if name in wanted] == wanted
    shown.page.locator(".pick").nth(3).focus()
    shown.page.keyboard.press("Space")
    assert shown.page.locator(".pick").nth(3).is_checked()


def test_links_lead_to_their_parts(shown: Any) -> None:
    links = shown.page.locator("nav a")
    for k in range(links.count()):
        links.nth(k).click()
        target = str(links.nth(k).get_attribute("href"))
        assert shown.page.url.endswith(target)
        assert shown.page.locator(target).count() == 1


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_sticks_out_to_the_side(opened, width: int) -> None:
    watched = opened("race", width=width)
    assert watched.page.evaluate("document.documentElement.scrollWidth") <= width


def test_print_shows_figures_and_words_without_controls(shown: Any) -> None:
    shown.page.emulate_media(media="print")
    assert not shown.page.locator("#controls").is_visible()
    assert not shown.page.locator("nav").is_visible()
    assert shown.page.locator("#map canvas").first.is_visible()
    assert shown.page.locator("#summary").is_visible()
    wide = shown.page.locator("figure.plot canvas").evaluate_all(
        "all => all.map(c => c.getBoundingClientRect().width)"
    )
    assert 300 < max(wide) <= 703  # a sheet of A4 between its margins, in pixels
    assert len(shown.page.pdf(format="A4")) > 20_000


def test_hostile_words_are_shown_and_never_run(opened) -> None:
    watched = opened("hostile")
    assert watched.page.evaluate("window.hacked") is None
    assert "window.hacked = 1" in str(watched.page.locator("#table-files").text_content())
    watched.page.check("#exits")
    watched.page.select_option("#color", "status")
    assert "window.hacked" in watched.page.locator("#classes").inner_text()
    watched.page.locator("summary").click()
    assert "<script>window.hacked" in watched.page.locator("pre").inner_text()
    watched.page.locator("#map").scroll_into_view_if_needed()
    exits = watched.page.evaluate(
        "() => { const all = Bokeh.documents.map(d => d.get_model_by_name('exits')).find(Boolean).data_source.data;"
        " return [all.X[0], all.Y[0]]; }"
    )
    x, y = watched.page.evaluate(watched.SPOT, exits)
    watched.page.mouse.move(x - 20, y - 20)
    watched.page.mouse.move(x, y, steps=3)
    assert "<script>" in tooltip(watched)
    watched.rest()
    assert watched.page.locator("[onerror]").count() == 0
    assert watched.page.evaluate("window.hacked") is None
