"""`foresee`: from a reward file to the driving that it pays best."""

from __future__ import annotations

import os
from collections.abc import Callable

import numpy as np

from racer.diagnostics.foresight.foresight import (
    Foresight,
    ForesightProgress,
    ForesightSettings,
    PaidLine,
)
from racer.diagnostics.foresight.kinds import drive_facts, name_kind
from racer.diagnostics.foresight.proving_ground import (
    RANDOM_REPEATS,
    Pricer,
    ProvingGround,
    lay_out_ground,
)
from racer.diagnostics.foresight.search import SEARCHES, Search, SearchState
from racer.diagnostics.pay import VERDICT_GAMMA, pay_around_lap
from racer.drivers import Drive, drive_all, scored_rows_of
from racer.errors import UsageError
from racer.reward import RewardFunction, load_reward
from racer.sim import ObstacleSource, build_params, read_obstacle_layout
from racer.track import DEFAULT_TRACK, Track, load_track
from racer.vehicle import DEFAULT_CAR, ActionSpace, Car, car_preset

CAR_STEPS_PER_SECOND = 100_000
"""Car-steps that a second of search stands for: what the machine of benchmarks/foresight.py does."""
DEFAULT_SECONDS = 5.0
MAX_EXPLAINED_STEPS = 400  # of the best paid driving, whose lines are explained
# of pay that a search can miss: so near to a drive that ends before, a lap is the answer
MISSED_FRACTION = 0.02
MAX_FINISHED_DRIVES = 6
FINISH_FACTOR = 2  # times as long as a try
FAST_DRIVERS = ("fastest", "racing_line", "medium", "slow")
FAST_AVOIDERS = ("avoiding_fast", "avoiding")

OnForesight = Callable[[ForesightProgress], None]


def foresee(
    reward: str | os.PathLike[str] | RewardFunction,
    track: str | os.PathLike[str] | Track = DEFAULT_TRACK,
    *,
    gamma: float = VERDICT_GAMMA,
    car: str | Car = DEFAULT_CAR,
    action_space: ActionSpace | None = None,
    reverse: bool = False,
    objects: ObstacleSource = None,
    seconds: float = DEFAULT_SECONDS,
    seed: int = 0,
    on_progress: OnForesight | None = None,
) -> Foresight:
    """The driving that a reward function pays best, without any training.

    Parameters
    ----------
    reward
        A file, the name of a shipped reward, or a loaded one.
    track
        A name, a file, or a track.
    gamma
        The discount factor of the training, 0 to 1.
    car, action_space, reverse
        The car (`v4`, `v5`, `v6`), the commands that it may give (those of training without one:
        all angles, from 0.5 m/s to the fastest that logs of the car cover), and whether it drives
        the other way.
    objects
        Boxes on the road: `boxes`, `random_boxes` (one layout), or a file.
    seconds
        How long to search, in processor seconds of the machine that CAR_STEPS_PER_SECOND was
        measured on. It is a number of car-steps: the answer does not depend on the machine.
    seed
        Seed of the search.
    on_progress
        Is told how far the search is.

    Ctrl-C ends the search early; the answer is the best so far, and says so. Raises RewardRefused
    for what the real job refuses, UsageError for what is not there.

    Examples
    --------
    >>> result = foresee("center_line", "oval", seconds=0.5)
    >>> result.asks_for_speed, result.lap_time_s > 2 * result.fastest_lap_time_s
    (False, True)
    """
    if not 0.0 <= gamma <= 1.0:
        raise UsageError(f"a discount factor is between 0 and 1, not {gamma:g}")
    if not seconds > 0.0:
        raise UsageError(f"a search takes more than 0 s, not {seconds:g}")
    function = reward if isinstance(reward, RewardFunction) else load_reward(reward)
    known_track = track if isinstance(track, Track) else load_track(track)
    if reverse:
        known_track = known_track.reversed()
    model = car if isinstance(car, Car) else car_preset(car)
    space = action_space or ActionSpace.default(model)
    ground = lay_out_ground(known_track, model, space, gamma, objects, seed)
    settings = ForesightSettings(
        model.name, gamma, space, _objects_in_words(objects), seconds, seed
    )
    laps = _known_laps(known_track, model, space, objects, seed)
    pricer = Pricer(function)
    pricer.learn(laps[0])
    work = round(seconds * CAR_STEPS_PER_SECOND)
    search = Search(ground, pricer, gamma, seed, _reporter(on_progress, work))
    interrupted = False
    try:
        search.offer(laps)
        search.run(work)
    except KeyboardInterrupt:
        if search.state.polished is None:
            raise
        interrupted = True
    return _as_foresight(function, known_track, settings, search, laps, interrupted)


def _known_laps(
    track: Track, car: Car, space: ActionSpace, objects: ObstacleSource, seed: int
) -> list[Drive]:
    """Drives from the start line of scripted drivers, the fastest among them."""
    drivers = list(FAST_DRIVERS)
    if read_obstacle_layout(objects) is not None:
        drivers += FAST_AVOIDERS
    return drive_all(track, drivers, car, space, seed=seed, obstacles=objects)


def _reporter(
    on_progress: OnForesight | None, total_work: int
) -> Callable[[SearchState], None] | None:
    if on_progress is None:
        return None

    def report(state: SearchState) -> None:
        if state.polished is None:
            return
        lap_time = state.polished.lap_time
        known_time = None if np.isnan(lap_time) else lap_time
        on_progress(ForesightProgress(state.work, total_work, state.polished_pay, known_time))

    return report


def _as_foresight(
    reward: RewardFunction,
    track: Track,
    settings: ForesightSettings,
    search: Search,
    laps: list[Drive],
    interrupted: bool,
) -> Foresight:
    _finish_drive(search)
    _prefer_lap(search.state)
    state = search.state
    best = state.polished
    assert best is not None
    fastest = _fastest([*laps, best])
    fastest_pay = None
    if fastest is not None:
        fastest_pay = state.polished_pay
        if fastest is not best:
            paid = search.pricer.price([fastest])[0]
            fastest_pay = pay_around_lap(paid, fastest, settings.gamma)
    facts = drive_facts(best, fastest)
    slowest = search.ground.road.slowest
    usual_facts = drive_facts(fastest, fastest) if fastest is not None else None
    kind = name_kind(facts, usual_facts, slowest)
    same = []
    for leader in state.leaders:
        leader_facts = drive_facts(leader.drive, fastest)
        same.append(name_kind(leader_facts, usual_facts, slowest) == kind)
    pays = [leader.pay for leader in state.leaders]
    top = max([*pays, -np.inf])
    spread = (top - min(pays)) / max(abs(top), 1e-9) if pays else 0.0
    return Foresight(
        reward=reward.filename,
        track=track,
        settings=settings,
        best=best,
        rewards=state.polished_rewards,
        pay=state.polished_pay,
        kind=kind,
        facts=facts,
        fastest=fastest,
        fastest_pay=fastest_pay,
        paid_lines=_paid_lines(reward, best),
        found_by=sum(same),
        searches=len(same),
        spread=spread,
        pay_by_start=state.best.pay_by_start if state.best else (),
        work=state.work,
        history=tuple(state.history),
        notes=_notes(search, settings, interrupted),
        interrupted=interrupted,
    )


def _finish_drive(search: Search) -> None:
    """Let the best drivers go on, where the best drive was cut off: who is best then is the answer."""
    state = search.state
    if state.polished is None or not state.polished.is_cut or not state.adopted:
        return
    ground: ProvingGround = search.ground
    drivers = state.adopted[-MAX_FINISHED_DRIVES:]
    maneuvers = []
    for driver in drivers:
        maneuvers.append(driver.family.maneuver(ground.road, driver.numbers, 0.0))
    drives = ground.drive(maneuvers, 0.0, FINISH_FACTOR * ground.try_steps)
    rewards, pays = search.price_all(drives)
    best = int(np.argmax(pays))
    for drive, paid, pay in zip(drives, rewards, pays, strict=True):
        if pay > state.lap_pay and not np.isnan(drive.lap_time):
            state.lap = drive
            state.lap_rewards = paid
            state.lap_pay = float(pay)
    state.polished = drives[best]
    state.polished_rewards = rewards[best]
    state.polished_pay = float(pays[best])


def _prefer_lap(state: SearchState) -> None:
    """Take the best paid lap where a drive that ends before its end is hardly paid more: to end
    there is what the search has not mended yet.
    """
    if state.polished is None or state.lap is None or not np.isnan(state.polished.lap_time):
        return
    if state.polished_pay - state.lap_pay <= MISSED_FRACTION * abs(state.polished_pay):
        state.polished = state.lap
        state.polished_rewards = state.lap_rewards
        state.polished_pay = state.lap_pay


def _fastest(drives: list[Drive]) -> Drive | None:
    laps = [drive for drive in drives if not np.isnan(drive.lap_time)]
    return min(laps, key=lambda drive: drive.lap_time, default=None)


def _paid_lines(reward: RewardFunction, drive: Drive) -> tuple[PaidLine, ...]:
    """The lines that pay for a drive, the one that moves most first."""
    # here, for it takes pandas half a second to load, and the first sentence comes before
    from racer.diagnostics.attribution import attribute_reward, pay_by_piece

    rows = scored_rows_of(drive)[:MAX_EXPLAINED_STEPS]
    if not len(rows):
        return ()
    params = list(build_params(rows, drive.tracks, drive.obstacles(rows)))
    attribution = attribute_reward(reward, [("best paid", params)])
    lines = []
    for pay in pay_by_piece(attribution):
        text = reward.text_of(pay.line).strip()
        lines.append(PaidLine(pay.line, pay.source, text, pay.fraction, pay.executed))
    return tuple(lines)


def _notes(search: Search, settings: ForesightSettings, interrupted: bool) -> tuple[str, ...]:
    notes = []
    if interrupted:
        notes.append("interrupted: this is the best so far")
    if search.pricer.is_random:
        notes.append(f"this reward draws random numbers: each pay is the mean of {RANDOM_REPEATS}")
    if len(search.state.leaders) < SEARCHES:
        notes.append("too little time for more than one search: give more --seconds")
    if settings.objects:
        notes.append(f"one layout of {settings.objects} was tried")
    notes.append("not tried: noise of the simulator, bot cars, what a network cannot learn")
    return tuple(notes)


def _objects_in_words(objects: ObstacleSource) -> str:
    if read_obstacle_layout(objects) is None:
        return ""
    if isinstance(objects, str | os.PathLike):
        return os.fspath(objects)
    return "objects"
