"""Every mistake in a track's TOML gets a sentence: file, place, and what to do."""

from pathlib import Path

import pytest

from racer.errors import UsageError
from racer.track import layout as layout_file

GOOD = """
title = "Test"
width = 0.6
start = { x = 1, y = 2, heading_deg = 90 }
direction = "counterclockwise"
segments = [
  { straight = 4 },
  { left = 1.5, angle = 180 },
  { straight = "?" },
  { left = "?", angle = 180 },
]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "mine.toml"


def complaint(file: Path, text: str | bytes) -> str:
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UsageError) as error:
        layout_file.load_layout_track(file)
    return str(error.value).replace(str(file), "mine.toml")


def test_a_file_without_a_name_is_named_after_itself(file: Path) -> None:
    file.write_text(GOOD)
    track = layout_file.load_layout_track(file)
    assert (track.name, track.title, track.is_ccw) == ("mine", "Test", True)
    assert track.center[0].tolist() == [1.0, 2.0]


def test_the_example_in_the_docs_is_a_track(file: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "tracks.md").read_text(encoding="utf-8")
    file.write_text(page.partition("```toml\n")[2].partition("```")[0])
    track = layout_file.load_layout_track(file)
    assert (track.title, track.is_ccw) == ("My first track", True)


def test_a_byte_order_mark_is_no_mistake(file: Path) -> None:
    file.write_bytes(b"\xef\xbb\xbf" + GOOD.encode())
    assert layout_file.load_layout_track(file).length > 10


MISTAKES = {
    ('title = "Test"', ""): "the key 'title' is missing",
    (
        "width = 0.6",
        "widht = 0.6",
    ): "the key 'width' is missing\nmine.toml: unknown key 'widht': did you mean 'width'?",
    ("width = 0.6", "width = -1"): "width must be more than 0, not -1",
    ("width = 0.6", "width = nan"): "width must be a finite number, not nan",
    ("width = 0.6", "width = true"): "width must be a number, not True",
    ("width = 0.6", 'width = "?"'): "width must be a number, not '?'",
    ("heading_deg", "heading"): "start: unknown key 'heading': did you mean 'heading_deg'?",
    ("{ x = 1, y = 2, heading_deg = 90 }", "[1, 2]"): "start must be a table { ... }, not [1, 2]",
    (
        '"counterclockwise"',
        '"ccw"',
    ): "direction must be 'counterclockwise' or 'clockwise', not 'ccw'",
    (
        '"counterclockwise"',
        '"clockwise"',
    ): "direction is 'clockwise' but the segments turn left, which is "
    "counterclockwise: change one of them",
    (
        "{ straight = 4 }",
        "{ straigth = 4 }",
    ): "segment 1: unknown key 'straigth': did you mean 'straight'?",
    ("{ straight = 4 }", "{ straight = -4 }"): "segment 1: straight must be more than 0, not -4",
    ("{ straight = 4 }", '{ straight = "4 m" }'): "segment 1: straight must be a number of meters, "
    "or \"?\" to have it found, not '4 m'",
    (
        "{ straight = 4 }",
        "{ straight = 4, angle = 9 }",
    ): "segment 1: a straight has no angle: leave the angle out, or write left or right for a turn",
    (
        "{ straight = 4 }",
        "{}",
    ): "segment 1: must be one of straight, left or right, not none of them",
    (
        "{ straight = 4 }",
        "{ straight = 4, left = 2 }",
    ): "segment 1: must be one of straight, left or right, not straight and left",
    ("{ straight = 4 }", "4"): "segment 1: must be a table { ... }, not 4",
    (
        "1.5, angle = 180",
        "1.5",
    ): "segment 2: a turn needs its angle in degrees, e.g. { left = 1.2, angle = 90 }",
    ("1.5, angle = 180", "1.5, angle = -180"): "segment 2: angle must be more than 0, not -180",
    (
        "1.5, angle = 180",
        "1.5, angle = 400",
    ): "segment 2: angle must be at most 360 degrees, not 400",
    (
        "1.5, angle = 180",
        '1.5, angle = "?"',
    ): 'segment 2: angle cannot be left open: only lengths and radii can be "?"',
    ("1.5, angle = 180", "1.5, angle = 170"): "the segments turn 350 deg to the left in all, "
    "a loop turns 360 deg: 10 deg too little",
    (
        'title = "Test"',
        'title = "Test"\nname = "a/b"',
    ): "name must be of letters, digits, '_', '-' and '.', not 'a/b'",
    ('title = "Test"', "title = 5"): "title must be a text in quotes, not 5",
    ('title = "Test"', 'title = ""'): "title is empty",
}


@pytest.mark.parametrize(("old", "new"), MISTAKES)
def test_each_mistake_has_its_sentence(file: Path, old: str, new: str) -> None:
    assert old in GOOD
    assert complaint(file, GOOD.replace(old, new, 1)) == f"mine.toml: {MISTAKES[old, new]}"


def test_segments_must_be_a_list_of_something(file: Path) -> None:
    head = GOOD.partition("segments")[0]
    assert complaint(file, head + "segments = []") == "mine.toml: segments is empty"
    said = complaint(file, head + "segments = 5")
    assert said == "mine.toml: segments must be a list, one { ... } a segment, not 5"


def test_files_that_are_no_toml_are_refused(file: Path, tmp_path: Path) -> None:
    assert complaint(file, "width = ").startswith("mine.toml: is not valid TOML (")
    assert complaint(file, b"\xff\xfe\x00") == "mine.toml: is not text in UTF-8 (byte 0)"
    with pytest.raises(UsageError, match="there is no such file"):
        layout_file.load_layout_track(tmp_path / "absent.toml")
    with pytest.raises(UsageError, match="is a folder, not a file"):
        layout_file.load_layout_track(tmp_path)
