"""What kind of driving a drive is: a word for it, from facts of the drive and never from the reward."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from racer.drivers import Drive, scored_rows_of
from racer.geometry import wrap_angle
from racer.sim import State, Status
from racer.track import Track
from racer.vehicle import STEP_S

Array = NDArray[np.float64]

Kind = Literal[
    "lap",
    "slow lap",
    "crawling",
    "stopping",
    "waiting",
    "parking",
    "weaving",
    "oscillating",
    "cutting",
    "circling",
    "wrong way",
    "leaving",
    "crashing",
]
KINDS: tuple[Kind, ...] = get_args(Kind)

SPEEDY_RATIO = 1.25  # a lap may take so many times as long as the fastest one
CIRCLE_TURNS = 1.2  # turns more than the road's from which a drive circles
AGAINST_FRACTION = 0.2  # of the steps that head against the road
SWING_M = 0.15  # across the road that count as a swing
SWINGS_PER_M = 0.45
CROSSINGS_PER_S = 1.0  # of the center line
NEAR_LINE_FRACTION = 0.12  # of the road's width: so near on average a car oscillates over the line
FLICK_DEG = 30.0  # of steering, back and forth, that count as a flick
FLICKS_PER_S = 3.0
MANY_FLICKS_PER_S = 4.5  # whoever flicks so often oscillates, however far he swings
MORE_THAN_FASTEST = 1.25  # times what the fastest lap does count as a habit
OFF_ROAD_FRACTION = 0.35  # of the steps with a wheel off the road, more than on the fastest lap
MOST_OFF_ROAD = 0.65  # of the steps: no lap needs so many to be fast, not even the fastest one
CUTTING_SLOWDOWN = 1.6  # times the fastest lap, beyond which a car does not cut to be fast
CRAWLING_RATIO = 1.4  # times the slowest speed
CRAWLING_SLOWDOWN = 4.0  # times the fastest lap
STANDING_MPS = 0.2
LAP_BINS = 40
DWELL_BINS = 8  # of them next to each other
DWELL_FRACTION = 0.5  # of the time lost on the fastest lap: most of it
PARKING_FROM = 0.8  # of the lap
WAITING_RATIO = 1.15  # times the fastest lap, below which nobody waits


@dataclass(frozen=True)
class DriveFacts:
    """What tells drivings apart. Times in s, speeds in m/s, places in fractions of the lap."""

    completes: bool
    status: Status
    lap_time_s: float  # nan without a lap
    slowdown: float  # times the fastest lap; nan without one of both
    mean_speed: float
    last_speed: float  # of the last 5 s
    top_speed: float
    turns: float  # more than the road's
    against: float  # fraction of the steps that head against the road
    swings_per_m: float
    flicks_per_s: float
    crossings_per_s: float  # of the center line
    off_road: float  # fraction of the steps with a wheel off the road
    fewest_wheels: int
    mean_offset_m: float  # from the center line, unsigned
    width_m: float  # of the road
    dwell: float  # fraction of the time lost that is lost on a fifth of the lap
    dwell_at: float  # the middle of that fifth


def drive_facts(drive: Drive, fastest: Drive | None) -> DriveFacts:
    """The facts of a drive, beside those of the fastest lap."""
    rows = scored_rows_of(drive)
    lap_time = drive.lap_time
    speed = np.hypot(rows["vx"], rows["vy"])
    offset = np.where(rows["left"], rows["distance"], -rows["distance"])
    seconds = max(len(rows), 1) * STEP_S
    meters = max(float(speed.sum()) * STEP_S, 0.1)
    relative = _relative_heading(rows, drive.tracks[0])
    dwell, dwell_at = _dwelling(drive, fastest)
    slowdown = float("nan")
    if fastest is not None:
        slowdown = lap_time / fastest.lap_time
    return DriveFacts(
        completes=not np.isnan(lap_time),
        status=drive.status,
        lap_time_s=lap_time,
        slowdown=slowdown,
        mean_speed=float(speed[1:].mean()) if len(speed) > 1 else 0.0,
        last_speed=float(speed[-75:].mean()) if len(speed) else 0.0,
        top_speed=float(speed.max(initial=0.0)),
        turns=float(np.ptp(relative)) / (2.0 * np.pi) if len(relative) else 0.0,
        against=float(np.mean(np.abs(wrap_angle(relative)) > 0.5 * np.pi)) if len(rows) else 0.0,
        swings_per_m=_count_turns(offset, SWING_M) / meters,
        flicks_per_s=_count_turns(rows["steer_command_deg"], FLICK_DEG) / seconds,
        off_road=float(np.mean(rows["wheels"] < 4)) if len(rows) else 0.0,
        fewest_wheels=drive.fewest_wheels,
        crossings_per_s=float(np.sum(rows["left"][1:] != rows["left"][:-1])) / seconds,
        width_m=float(np.median(rows["width"])) if len(rows) else 0.0,
        mean_offset_m=float(np.abs(offset).mean()) if len(rows) else 0.0,
        dwell=dwell,
        dwell_at=dwell_at,
    )


def name_kind(facts: DriveFacts, usual: DriveFacts | None, slowest_mps: float) -> Kind:
    """The word for a drive, whose car can be told to drive `slowest_mps` at least, beside the `usual`
    habits of a fast lap.
    """
    if facts.turns >= CIRCLE_TURNS:
        return "circling"
    if facts.against >= AGAINST_FRACTION or facts.status == Status.REVERSED:
        return "wrong way"
    if not facts.completes:
        return _kind_without_lap(facts, slowest_mps)
    usual = usual or facts
    is_near_line = facts.mean_offset_m < NEAR_LINE_FRACTION * facts.width_m
    if is_near_line and facts.crossings_per_s >= CROSSINGS_PER_S:
        return "oscillating"
    if facts.flicks_per_s >= _habit_limit(MANY_FLICKS_PER_S, usual.flicks_per_s):
        return "oscillating"
    if facts.swings_per_m >= _habit_limit(SWINGS_PER_M, usual.swings_per_m):
        return "weaving"
    if facts.flicks_per_s >= _habit_limit(FLICKS_PER_S, usual.flicks_per_s):
        return "oscillating"
    if facts.slowdown > CRAWLING_SLOWDOWN or facts.mean_speed <= CRAWLING_RATIO * slowest_mps:
        return "crawling"
    if facts.slowdown > WAITING_RATIO and facts.dwell >= DWELL_FRACTION:
        return "parking" if facts.dwell_at >= PARKING_FROM else "waiting"
    off_road_limit = min(usual.off_road + OFF_ROAD_FRACTION, MOST_OFF_ROAD)
    is_off_road = facts.off_road >= off_road_limit and facts.fewest_wheels <= 2
    if is_off_road and facts.slowdown <= CUTTING_SLOWDOWN:
        return "cutting"
    if facts.slowdown > SPEEDY_RATIO:
        return "slow lap"
    return "lap"


def _kind_without_lap(facts: DriveFacts, slowest_mps: float) -> Kind:
    if facts.status == Status.OFF_TRACK:
        return "leaving"
    if facts.status == Status.CRASHED:
        return "crashing"
    if facts.status == Status.IMMOBILIZED:
        return "stopping"
    if facts.last_speed <= STANDING_MPS and facts.top_speed > 3.0 * facts.last_speed:
        return "stopping"
    if facts.swings_per_m >= SWINGS_PER_M:
        return "weaving"
    if facts.flicks_per_s >= FLICKS_PER_S:
        return "oscillating"
    if facts.mean_speed <= max(CRAWLING_RATIO * slowest_mps, 2.0 * STANDING_MPS):
        return "crawling"
    return "stopping"


def _habit_limit(least: float, of_fastest: float) -> float:
    """From where on a habit is one: more than the fastest lap needs."""
    return max(least, MORE_THAN_FASTEST * of_fastest)


def _relative_heading(rows: State, track: Track) -> Array:
    """(T,) rad by which the car's heading differs from the road's, without jumps."""
    k = np.clip(np.searchsorted(track.s, rows["s"], side="right") - 1, 0, len(track.s) - 2)
    along = track.center[k + 1] - track.center[k]
    heading = np.unwrap(np.arctan2(along[:, 1], along[:, 0]))
    return np.asarray(np.unwrap(rows["yaw"]) - heading)


def _count_turns(values: Array, size: float) -> int:
    """How often values turn back by at least `size`."""
    turns = 0
    rises = False
    falls = False
    low = np.inf
    high = -np.inf
    for value in values.tolist():
        low = min(low, value)
        high = max(high, value)
        if not falls and value < high - size:
            turns += rises
            rises = False
            falls = True
            low = value
        elif not rises and value > low + size:
            turns += falls
            rises = True
            falls = False
            high = value
    return turns


def _dwelling(drive: Drive, fastest: Drive | None) -> tuple[float, float]:
    """The fraction of the time lost on the fastest lap that is lost on one fifth of the lap, and the
    middle of that fifth.
    """
    if fastest is None or np.isnan(drive.lap_time):
        return 0.0, 0.0
    lost = np.maximum(_steps_of_places(drive) - _steps_of_places(fastest), 0.0)
    if lost.sum() <= 0.0:
        return 0.0, 0.0
    sums = np.convolve(lost, np.ones(DWELL_BINS), mode="valid")
    first = int(np.argmax(sums))
    weights = lost[first : first + DWELL_BINS]
    places = first + 0.5 + np.arange(DWELL_BINS)
    return float(sums[first] / lost.sum()), float(
        (weights * places).sum() / weights.sum() / LAP_BINS
    )


def _steps_of_places(drive: Drive) -> Array:
    """(LAP_BINS,) steps in each part of the lap."""
    progress = scored_rows_of(drive)["progress"]
    place = np.clip(progress / 100.0 * LAP_BINS, 0, LAP_BINS - 1).astype(int)
    return np.bincount(place, minlength=LAP_BINS).astype(np.float64)
