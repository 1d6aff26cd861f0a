"""What a driving is worth to training: rewards of its steps, and THE measure of them.

`score`, `watch`, `replay` and `foresee` weigh drivings by one function, `pay_around_lap`.

Where it comes from. PPO raises the probability of an action by its advantage: the discounted return
after the action, less what the critic expects of that state. So of two drivings it prefers, in each
state, the one whose return *from there on* is greater, and two drivings are compared by the mean of
their returns over the states that training shows them. These are of two kinds. An episode starts at
some place of the road, round robin (docs/simulator.md 2.3); and it passes places with less and less
of its lap left, which neither policy nor critic sees. So half of the weight is that of the start,
and half that of the places passed, each metre of road as much as any other.

The mean over the *steps* of a drive is another thing: a step is a place for each 1/15 s that the car
is there, so a driving that dawdles where much is yet to come counts that place more often than
another one does. It favors long laps, and its maximum is sometimes to wait at 100 %. The return of
the start alone hardly sees the end of a lap that is longer than 1 / (1 - gamma) steps; with both
halves every step of a lap has about the same weight.

A drive that ends before its lap is complete never passes some places. There is nothing to come
there: they are worth 0. So going on is better exactly where it is paid. A drive that was cut off
goes on as it did in its last steps, with their mean pay and at their pace: to the end of the lap if
it gets on, else for ever, and then it is worth at any place what it is worth at its start.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from racer.drivers import Drive, scored_rows_of

Array = NDArray[np.float64]

GAMMAS = (0.9, 0.99, 0.999)  # discount factors, where none is asked for
VERDICT_GAMMA = 0.99  # what `racer train` and DeepRacer's console begin with
# steps at the end of a drive that was cut off which are taken for what would have gone on
TAIL_STEPS = 150
PLACES_AROUND_LAP = 100  # one each percent of the lap
# of the lap a step, below which a drive that was cut off gets nowhere: a lap of an hour
LEAST_PACE_PERCENT = 0.002


def pay_around_lap(
    rewards: ArrayLike, drive: Drive, gamma: float, tail: float | None = None
) -> float:
    """The pay of a driving: its discounted return, averaged over start and places around the lap.

    Parameters
    ----------
    rewards
        (T,) what the steps of `drive` paid, in order, without the prepare step (`price_drives`).
    drive
        Where those steps were.
    gamma
        The discount factor of training, 0 to 1.
    tail
        The return of whatever follows the last step. Without it 0 where the episode is over, and
        where the drive was cut off that of going on as in its last 10 s.

    A place counts when it is first reached; one that an ended drive never reached is worth 0, and so
    is a drive without steps. The derivation is in the docstring of `racer.diagnostics.pay`.

    Examples
    --------
    >>> from racer.diagnostics import price_drives
    >>> from racer.drivers import drive
    >>> from racer.reward import load_reward
    >>> slow, fast = drive("oval", "slow"), drive("oval", "fast")
    >>> center_line = load_reward("center_line")
    >>> pays = [pay_around_lap(price_drives(center_line, [d])[0], d, 0.99) for d in (slow, fast)]
    >>> pays[0] > pays[1]  # paid for each step, whatever it is good for
    True
    """
    paid = np.asarray(rewards, dtype=np.float64)
    if not len(paid):
        return 0.0
    progress = np.asarray(scored_rows_of(drive)["progress"], dtype=np.float64)[: len(paid)]
    pace = 0.0
    if tail is None:
        tail = 0.0
        if drive.is_cut:
            pace = _pace(progress)
            tail = _going_on(paid, pace, 100.0 - progress[-1:], gamma)[0]
    returns = discounted_returns(paid, gamma, tail)
    places = _worth_of_places(returns, paid, progress, pace, gamma)
    if drive.is_cut and pace == 0.0:
        places[:] = returns[0]
    return _over_start_and_places(returns, places)


def pay_of_lap(rewards: ArrayLike, progress: ArrayLike, gamma: float) -> float:
    """`pay_around_lap` of the steps of a lap that is over, where no drive is known but the `progress`
    (T,) of its steps, %, from the start on.

    Examples
    --------
    >>> pay_of_lap([1.0, 1.0], [0.0, 50.0], gamma=0.5)
    1.06875
    """
    paid = np.asarray(rewards, dtype=np.float64)
    if not len(paid):
        return 0.0
    returns = discounted_returns(paid, gamma)
    known = np.asarray(progress, dtype=np.float64)
    return _over_start_and_places(returns, _worth_of_places(returns, paid, known, 0.0, gamma))


def discounted_returns(rewards: ArrayLike, gamma: float, tail: float = 0.0) -> Array:
    """(T,) discounted return from every step to the end: what PPO's value function learns, and its
    advantages compare.

    `rewards` (T,) are those of one episode in order. `tail` is the return of whatever follows the
    last of them: 0 when the episode is over. At `gamma` 1 these are plain sums.

    Examples
    --------
    >>> discounted_returns([1.0, 1.0, 4.0], gamma=0.5).tolist()
    [2.5, 3.0, 4.0]
    """
    paid = np.asarray(rewards, dtype=np.float64)
    returns = []
    following = tail
    for reward in reversed(paid.tolist()):
        following = reward + gamma * following
        returns.append(following)
    return np.array(returns[::-1], dtype=np.float64)


def _over_start_and_places(returns: Array, places: Array) -> float:
    """Half the return of the start, and half the mean of those of the places."""
    return float(0.5 * (returns[0] + places.mean()))


def _worth_of_places(
    returns: Array, paid: Array, progress: Array, pace: float, gamma: float
) -> Array:
    """(PLACES_AROUND_LAP,) the return at each place of the lap; 0 where a drive never was."""
    places = np.arange(PLACES_AROUND_LAP) * (100.0 / PLACES_AROUND_LAP)
    reached = np.maximum.accumulate(progress)
    arrival = np.searchsorted(reached, places)
    is_reached = arrival < len(reached)
    is_reached[0] = True  # the start, from wherever a car goes back
    arrival = np.minimum(arrival, len(reached) - 1)
    arrival[0] = 0
    before = np.maximum(arrival - 1, 0)
    step_percent = np.maximum(reached[arrival] - reached[before], 1e-12)
    # the part of the step into a place that is yet to come
    rest = np.clip((reached[arrival] - places) / step_percent, 0.0, 1.0)
    rest[arrival == 0] = 0.0
    worth = np.where(is_reached, rest * returns[before] + (1.0 - rest) * returns[arrival], 0.0)
    if pace > 0.0:
        beyond = ~is_reached
        left_percent = np.asarray(100.0 - places[beyond], dtype=np.float64)
        worth[beyond] = _going_on(paid, pace, left_percent, gamma)
    return worth


def _pace(progress: Array) -> float:
    """% of the lap a step in the last steps of a drive; 0 of one that gets nowhere."""
    last = progress[-TAIL_STEPS:]
    pace = float(last[-1] - last[0]) / max(len(last) - 1, 1)
    if pace < LEAST_PACE_PERCENT:
        return 0.0
    return pace


def _going_on(paid: Array, pace: float, left_percent: Array, gamma: float) -> Array:
    """(K,) return of going on as in the last steps with so much of the lap left, %."""
    mean = float(paid[-TAIL_STEPS:].mean())
    if pace > 0.0:
        steps = np.maximum(left_percent, 0.0) / pace
        if gamma == 1.0:
            return np.asarray(mean * steps)
        return np.asarray(mean * (1.0 - gamma**steps) / (1.0 - gamma))
    if gamma == 1.0:  # an endless sum: nothing is added to what was driven
        return np.zeros(len(left_percent))
    return np.full(len(left_percent), mean / (1.0 - gamma))
