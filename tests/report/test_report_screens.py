"""The report on screens of several widths, light, dark and on paper: all is in sight, all can be
clicked, nothing lies on something else.
"""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.slow

TOGETHER = ("#map", "#play", "#moment", "#readout", "#telemetry")
"""The map, the player, the table of the moment, the speeds over distance."""


def is_in_sight(watched: Any, selector: str) -> bool:
    """Whether all of an element is within the window."""
    box = watched.page.locator(selector).bounding_box()
    size = watched.page.viewport_size
    is_beside = box["x"] >= -1 and box["x"] + box["width"] <= size["width"] + 1
    return is_beside and box["y"] >= -1 and box["y"] + box["height"] <= size["height"] + 1


def shade(watched: Any, selector: str) -> float:
    """How light the ground of an element is, 0 to 255."""
    color = watched.page.locator(selector).evaluate(
        "one => getComputedStyle(one).backgroundColor.match(/[0-9.]+/g).map(Number)"
    )
    return float(np.mean(color[:3]))


def road_color(watched: Any) -> str:
    color: str = watched.page.evaluate(
        "Bokeh.documents.map(d => d.get_model_by_name('road')).find(Boolean).background_fill_color"
    )
    return color


def label_boxes(watched: Any) -> list[np.ndarray]:
    """(2, 2) px corners of what is written beside each car, as wide as the page's script takes it."""
    cars = watched.data("cars")
    boxes = []
    for k, words in enumerate(cars["words"]):
        x, y = watched.page.evaluate(watched.SPOT, [cars["X"][k], cars["Y"][k]])
        lines = words.split("\n")
        size = np.array([7.2 * max(map(len, lines)), 15.0 * len(lines)])
        corner = np.array([x + cars["dx"][k], y + cars["dy"][k]])
        boxes.append(np.stack([corner, corner + size]))
    return boxes


@pytest.mark.parametrize("height", [800, 700])
def test_player_map_table_and_telemetry_are_seen_together(opened, height: int) -> None:
    watched = opened("training", width=1280, height=height)
    watched.page.locator("#track").evaluate("part => part.scrollIntoView()")
    watched.rest()
    assert [part for part in TOGETHER if not is_in_sight(watched, part)] == []
    for plot in watched.page.locator("#telemetry .plot").all():
        assert plot.bounding_box()["height"] > 90


def test_map_and_player_stay_in_sight_beside_the_table_of_laps(opened) -> None:
    watched = opened("training", width=1280, height=800)
    watched.page.locator("#table-sectors").evaluate("one => one.scrollIntoView({block: 'end'})")
    assert is_in_sight(watched, "#map")
    assert is_in_sight(watched, "#play")
    watched.page.locator(".pick").nth(4).check()
    assert watched.page.locator("#readout tbody tr").count() == 3


def test_on_a_phone_the_player_stays_in_sight(opened) -> None:
    watched = opened("training", width=390, height=800)
    watched.page.locator("#laps").evaluate("part => part.scrollIntoView()")
    assert is_in_sight(watched, "#play")


def test_space_plays_and_arrows_step(opened) -> None:
    watched = opened("training")
    watched.page.locator("#track").evaluate("part => part.scrollIntoView()")
    now = watched.page.locator("#now")
    watched.page.keyboard.press("ArrowRight")
    first = float(now.inner_text().split()[0])
    watched.page.keyboard.press("ArrowRight")
    second = float(now.inner_text().split()[0])
    assert 0.0 < first < second < first + 0.25
    watched.page.keyboard.press("ArrowLeft")
    assert float(now.inner_text().split()[0]) == first
    watched.page.keyboard.press("Space")
    assert watched.page.locator("#play").get_attribute("aria-pressed") == "true"
    watched.page.wait_for_function(
        "from => parseFloat(document.getElementById('now').textContent) > from", arg=first
    )
    watched.page.keyboard.press("Space")
    assert watched.page.locator("#play").get_attribute("aria-pressed") == "false"
    paused = float(now.inner_text().split()[0])
    watched.page.click("#back")
    assert float(now.inner_text().split()[0]) < paused
    watched.page.click("#ahead")
    assert watched.page.evaluate("window.scrollX") == 0


def test_keys_keep_their_use_in_other_controls(opened) -> None:
    watched = opened("training")
    watched.page.locator("#track").evaluate("part => part.scrollIntoView()")
    watched.page.locator("#exits").focus()
    watched.page.keyboard.press("Space")
    assert watched.page.locator("#exits").is_checked()
    watched.page.locator("#color").focus()
    watched.page.keyboard.press("ArrowDown")
    assert watched.page.locator("#now").inner_text() == "0.00 s"
    assert watched.page.locator("#play").get_attribute("aria-pressed") == "false"
    watched.page.locator("#summary").evaluate("part => part.scrollIntoView()")
    watched.page.evaluate("document.activeElement.blur()")


def test_colors_leave_the_part_of_the_map_alone(opened) -> None:
    """A scale beside the map took its width with each color: it stands below."""
    watched = opened("training")
    watched.page.click("#closer")
    watched.rest()
    view = watched.view()
    for name in ("status", "progress", "lap", "speed"):
        watched.page.select_option("#color", name)
        watched.rest()
        assert watched.page.locator("#scale").is_visible() == (name in ("progress", "speed"))
        if name in ("progress", "speed"):  # the classes of others may take a line of the map's
            assert watched.view() == pytest.approx(view, abs=1e-6)


def test_who_wants_the_whole_track_no_longer_follows(opened) -> None:
    watched = opened("training")
    whole = watched.view()
    watched.page.check("#follow")
    watched.page.locator("#moment").fill("3")
    watched.page.click("#whole")
    assert not watched.page.locator("#follow").is_checked()
    watched.page.locator("#moment").fill("5")
    watched.rest()
    assert watched.view() == pytest.approx(whole, abs=1e-6)


def test_a_followed_car_stays_in_the_middle_of_another_window(opened) -> None:
    watched = opened("training")
    watched.page.check("#follow")
    watched.page.locator("#moment").fill("3")
    for width in (1000, 700, 1280):
        before = watched.view()
        watched.page.set_viewport_size({"width": width, "height": 900})
        watched.page.wait_for_function(f"from => ({watched.VIEW})()[0] !== from", arg=before[0])
        watched.rest()
        cars = watched.data("cars")
        assert watched.middle() == pytest.approx([cars["X"][0], cars["Y"][0]], abs=1e-6)


def test_a_car_says_its_lap_its_speed_and_its_gap(opened) -> None:
    watched = opened("training")
    watched.page.click("#fastest")
    watched.page.locator("#moment").fill("2")
    words = watched.data("cars")["words"]
    assert words[0].startswith("1  lap ")
    assert words[0].endswith(" m/s")
    rows = watched.page.locator("#readout tbody tr").all()
    for k, row in enumerate(rows):
        gap = row.locator("td").nth(9).inner_text()
        assert (gap in words[k]) or gap in ("", "–")


def test_labels_of_cars_lie_neither_on_each_other_nor_outside(opened) -> None:
    watched = opened("training")
    watched.page.locator("#track").evaluate("part => part.scrollIntoView()")
    watched.page.click("#clear")
    for k in (
        0,
        10,
        20,
    ):  # these begin at one place and are driven alike: the cars lie on each other
        watched.page.locator(".pick").nth(k).check()
    for moment in ("0", "1.3", "3"):
        watched.page.locator("#moment").fill(moment)
        watched.rest()
        boxes = label_boxes(watched)
        assert len(boxes) == 3
        for one, other in combinations(boxes, 2):
            assert (one[1] <= other[0]).any() or (other[1] <= one[0]).any()
        frame = watched.page.locator("#map").bounding_box()
        for box in boxes:
            assert box[0, 0] >= frame["x"]
            assert box[1, 0] <= frame["x"] + frame["width"]


def test_a_dark_system_gets_a_dark_page_and_paper_a_light_one(opened) -> None:
    watched = opened("training", looks="dark")
    assert shade(watched, "body") < 60
    dark = road_color(watched)
    assert dark == "#16181c"
    watched.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert road_color(watched) == "#ffffff"
    watched.page.emulate_media(media="print", color_scheme="dark")
    assert shade(watched, "body") > 250
    watched.page.emulate_media(media="screen", color_scheme="dark")
    watched.page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert road_color(watched) == dark
    watched.page.select_option("#looks", "light")
    assert shade(watched, "body") > 250
    assert road_color(watched) == "#ffffff"
    watched.page.select_option("#looks", "dark")
    watched.page.emulate_media(color_scheme="light")
    assert shade(watched, "body") < 60
    watched.page.select_option("#looks", "auto")
    assert shade(watched, "body") > 250


def test_the_best_sectors_are_purple_and_legible(opened) -> None:
    for looks in ("light", "dark"):
        watched = opened("training", looks=looks)
        cells = watched.page.locator("#table-sectors td.purple")
        heads = watched.page.locator("#table-sectors th").all_text_contents()
        sectors = sum(head.strip().startswith(("T", "S")) for head in heads)
        assert cells.count() >= sectors > 0
        ground = shade(watched, "#table-sectors td.purple >> nth=0")
        ink = cells.first.evaluate(
            "one => getComputedStyle(one).color.match(/[0-9.]+/g).map(Number)"
        )
        assert abs(float(np.mean(ink[:3])) - ground) > 80


def test_two_jobs_stand_side_by_side(opened) -> None:
    watched = opened("jobs")
    parts = watched.page.locator("#summary .side > div")
    assert parts.count() == 2
    first, second = (parts.nth(k).bounding_box() for k in range(2))
    assert first["y"] == second["y"]
    assert first["x"] + first["width"] <= second["x"]
    assert watched.page.locator("#readout tbody tr").count() == 2
    words = watched.data("cars")["words"]
    assert words[0].startswith("1  A lap ")
    assert words[1].startswith("2  B lap ")
    shared = watched.page.evaluate(
        """() => { const ranges = Bokeh.documents.flatMap(d => d.roots()).map(root => root.x_range?.id);
        return ranges.length; }"""
    )
    assert shared > 0
    watched.page.click("#fastest")
    assert watched.page.locator("#readout tbody tr").count() == 4


@pytest.mark.parametrize("looks", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 1000, 390])
@pytest.mark.parametrize("name", ["training", "jobs"])
def test_every_control_can_be_used_on_every_screen(
    opened, name: str, width: int, looks: str
) -> None:
    """Nothing hides another control, nothing goes wrong, and nothing sticks out to the side."""
    watched = opened(name, width=width, height=800, looks=looks)
    page = watched.page
    for button in page.locator("#stage form button, #stage th button").all():
        button.click()
    for select in page.locator("select").all():
        for value in select.locator("option").evaluate_all("all => all.map(one => one.value)"):
            select.select_option(value)
    for box in page.locator("#controls input[type=checkbox], #complete-only").all():
        box.check()
        box.uncheck()
    page.locator(".pick").nth(1).click()
    page.locator("#moment").fill("1")
    for summary in page.locator("summary").all():
        summary.click()
    for link in page.locator("nav a").all():
        link.click()
    watched.rest()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.emulate_media(media="print")
    watched.rest()
    assert not page.locator("#clock").is_visible()
    assert page.locator("#map canvas").first.is_visible()
    assert len(page.pdf(format="A4")) > 20_000
    page.emulate_media(media="screen")
