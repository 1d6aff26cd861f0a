"""What a failed assertion says: what was expected, the smallest example as calls of `at`, and its
params.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

from racer.errors import RacerError
from racer.testing.placed import DrivenLap, PlacedParams

Params = dict[str, Any]


def not_preferred_message(
    name: str,
    this: Params | DrivenLap,
    other: Params | DrivenLap,
    first: float,
    second: float,
    by: float,
    gamma: float | None,
) -> str:
    """Why `prefers` fails."""
    more = f" by more than {by:g}" if by else ""
    discount = f" at gamma {gamma:g}" if gamma is not None else ""
    lines = [f"{name} does not prefer the first{more}{discount}:"]
    lines += [
        f"  {_called(one)} is paid {_paid(value)}"
        for one, value in ((this, first), (other, second))
    ]
    if isinstance(this, DrivenLap) or isinstance(other, DrivenLap):
        return "\n".join(lines)
    return "\n".join([*lines, *_both(this, other)])


def refused_message(name: str, track: str, case: PlacedParams, error: RacerError | None) -> str:
    """Why `never_raises` fails."""
    said = "" if error is None else str(error).removesuffix(f" (in {case!r})")
    return "\n".join(
        [
            f"{name} stops the job on {track}, the smallest example being",
            f"  {case!r}",
            said,
            *list_params(case),
        ]
    )


def not_monotonic_message(
    name: str,
    argument: str,
    sign: int,
    both: Sequence[PlacedParams],
    paid: Sequence[float],
    track: str,
) -> str:
    """Why `increases_with` or `decreases_with` fails."""
    how = "the same" if paid[0] == paid[1] else "less" if sign > 0 else "more"
    lines = [f"{name} pays {how} for more {argument} on {track}, the smallest example being"]
    lines += [f"  {one!r} is paid {_paid(value)}" for one, value in zip(both, paid, strict=True)]
    return "\n".join([*lines, *_both(*both)])


def indifferent_message(name: str, argument: str, count: int, track: str) -> str:
    """Why they fail when nothing changes anywhere."""
    return f"{name} pays the same whatever {argument} is: {count} pairs of places on {track} were tried"


def not_mirrored_message(
    name: str, track: str, here: PlacedParams, there: PlacedParams, paid: float, image: float
) -> str:
    """Why `mirror_invariant` fails."""
    lines = [
        f"{name} pays a place and its mirror image differently, the smallest example being",
        f"  {here!r} on {track} is paid {_paid(paid)}",
        f"  {there!r} on its mirror image is paid {_paid(image)}",
    ]
    return "\n".join([*lines, *_both(here, there)])


def list_params(params: Params) -> list[str]:
    """The params, a key a line; waypoints are counted, not listed."""
    return [
        "with the params",
        *(f"  {key}: {format_param(key, value)}" for key, value in params.items()),
    ]


def format_param(key: str, value: Any) -> str:
    """One value of params in a line."""
    if key == "waypoints":
        return f"{len(value)} points"
    if isinstance(value, float):
        return f"{value:.6g}"
    try:
        text = json.dumps(value)
    except (TypeError, ValueError):
        text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _both(first: Params, second: Params) -> list[str]:
    """The params of the first, and those of the second where they differ."""
    lines = []
    for key in [*first, *(key for key in second if key not in first)]:
        texts = [format_param(key, one[key]) if key in one else "absent" for one in (first, second)]
        lines.append(
            f"  {key}: {texts[0]}" if texts[0] == texts[1] else f"  {key}: {texts[0]} | {texts[1]}"
        )
    return ["with the params (of the first | of the second, where they differ)", *lines]


def _called(what: Params | DrivenLap) -> str:
    if isinstance(what, DrivenLap):
        return str(what)
    return repr(what) if isinstance(what, PlacedParams) else "a dict of params"


def _paid(value: float) -> str:
    return f"{value:.6g}" if math.isfinite(value) else str(value)
