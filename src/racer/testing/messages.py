"""What a failed assertion says: what was expected, the smallest example as calls of `at`, and its
params.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from racer.testing.placing import DrivenLap, PlacedParams

Params = dict[str, Any]
MAX_PARAM_CHARS = 80


class PaidCase(NamedTuple):
    """Params or a lap, and what is paid for them."""

    case: Params | DrivenLap
    pay: float

    def __str__(self) -> str:
        return f"{_describe_case(self.case)} is paid {_format_pay(self.pay)}"


def not_preferred_message(
    name: str, this: PaidCase, other: PaidCase, by: float, gamma: float | None
) -> str:
    """Why `prefers` fails."""
    margin = f" by more than {by:g}" if by else ""
    discount = f" at gamma {gamma:g}" if gamma is not None else ""
    lines = [f"{name} does not prefer the first{margin}{discount}:", f"  {this}", f"  {other}"]
    if not isinstance(this.case, DrivenLap) and not isinstance(other.case, DrivenLap):
        lines += _compare_params(this.case, other.case)
    return "\n".join(lines)


def refused_message(name: str, track: str, case: PlacedParams, complaint: str) -> str:
    """Why `never_raises` fails."""
    lines = [
        f"{name} stops the job on {track}, the smallest example being",
        f"  {case!r}",
        complaint,
        *list_params(case),
    ]
    return "\n".join(lines)


def not_monotonic_message(
    name: str, argument: str, sign: int, pair: Sequence[PaidCase], track: str
) -> str:
    """Why `increases_with` (`sign` 1) or `decreases_with` (-1) fails."""
    less, more = pair
    if less.pay == more.pay:
        comparison = "the same"
    elif sign > 0:
        comparison = "less"
    else:
        comparison = "more"
    lines = [
        f"{name} pays {comparison} for more {argument} on {track}, the smallest example being",
        f"  {less}",
        f"  {more}",
        *_compare_params(less.case, more.case),
    ]
    return "\n".join(lines)


def indifferent_message(name: str, argument: str, count: int, track: str) -> str:
    """Why they fail when nothing changes anywhere."""
    return f"{name} pays the same whatever {argument} is: {count} pairs of places on {track} were tried"


def not_mirrored_message(name: str, track: str, original: PaidCase, image: PaidCase) -> str:
    """Why `mirror_invariant` fails."""
    lines = [
        f"{name} pays a place and its mirror image differently, the smallest example being",
        f"  {original.case!r} on {track} is paid {_format_pay(original.pay)}",
        f"  {image.case!r} on its mirror image is paid {_format_pay(image.pay)}",
        *_compare_params(original.case, image.case),
    ]
    return "\n".join(lines)


def list_params(params: Params) -> list[str]:
    """The params, a key a line; waypoints are counted, not listed."""
    lines = [f"  {key}: {format_param(key, param)}" for key, param in params.items()]
    return ["with the params", *lines]


def format_param(key: str, param: Any) -> str:
    """One of the params in a line."""
    if key == "waypoints":
        return f"{len(param)} points"
    if isinstance(param, float):
        return f"{param:.6g}"
    try:
        text = json.dumps(param)
    except (TypeError, ValueError):
        text = repr(param)
    if len(text) > MAX_PARAM_CHARS:
        return text[: MAX_PARAM_CHARS - 3] + "..."
    return text


def _compare_params(first: Any, second: Any) -> list[str]:
    """The params of the first, and those of the second where they differ."""
    lines = ["with the params (of the first | of the second, where they differ)"]
    for key in dict.fromkeys((*first, *second)):
        texts = [_format_if_there(key, params) for params in (first, second)]
        lines.append(f"  {key}: {' | '.join(dict.fromkeys(texts))}")
    return lines


def _format_if_there(key: str, params: Params) -> str:
    if key not in params:
        return "absent"
    return format_param(key, params[key])


def _describe_case(case: Params | DrivenLap) -> str:
    if isinstance(case, DrivenLap):
        return str(case)
    if isinstance(case, PlacedParams):
        return repr(case)
    return "a dict of params"


def _format_pay(pay: float) -> str:
    if math.isfinite(pay):
        return f"{pay:.6g}"
    return str(pay)
