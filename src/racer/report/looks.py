"""The colors of the page's figures by what they are for, on paper and on a dark screen.

Python draws with those for light; `page.js` reads from the tags of a model which of its properties
take another color, and turns them when the reader does.
"""

from __future__ import annotations

from bokeh.model import Model

from racer.plotting import BORDER_COLOR, FAINT, INK, ROAD_COLOR, START_COLOR

LOOKS = {
    "light": {
        "ink": INK,
        "faint": FAINT,
        "grid": "#ececec",
        "field": "#ffffff",
        "road": ROAD_COLOR,
        "border": BORDER_COLOR,
        "start": START_COLOR,
        "best": "#5b2a86",
    },
    "dark": {
        "ink": "#dcdcd8",
        "faint": "#8f949b",
        "grid": "#2c3036",
        "field": "#16181c",
        "road": "#33373d",
        "border": "#9aa0a8",
        "start": "#ffffff",
        "best": "#b98be6",
    },
}
"""Colors by what they are for, of both looks."""


def dress(model: Model, **properties: str) -> None:
    """Give properties of a model the colors of these names, and note them for the page's script.

    >>> from bokeh.models import Span
    >>> span = Span()
    >>> dress(span, line_color="ink")
    >>> span.tags
    [{'line_color': 'ink'}]
    """
    for name, color in properties.items():
        setattr(model, name, LOOKS["light"][color])
    model.tags = [*model.tags, properties]
